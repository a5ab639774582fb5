import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { type MarketSession, makeMarketFeatures } from "../../../src/market/features/MarketFeatures.ts"
import { type PanelDay, takeSessionBar } from "../../../src/market/features/SessionPanel.ts"
import { emptySkill, takeOutcome } from "../../../src/market/features/SignalQuality.ts"
import {
  type FeatureInputs,
  type Figures,
  indexSymbol,
  marketFeaturesAt
} from "../../../src/market/streams/marketFeatures.ts"
import { dayMs, dayOf, sessionOn } from "../../../src/market/time/Calendar.ts"
import type { Calendar, Instrument } from "../../../src/protocols/Instrument.ts"
import { FeaturesReading } from "../../../src/protocols/Streams.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { instrumentOf } from "./bars.ts"
import { drained } from "./series.ts"

const firstDay = dayOf(Date.UTC(2018, 8, 3))
const symbols = ["AAA", "BBB", "CCC", "DDD", indexSymbol]
const sectorOf = new Map([
  ["AAA", "Energy"],
  ["BBB", "Energy"],
  ["CCC", "Health Care"]
])
const hourMs = 3_600_000

interface Given {
  readonly instrument: number
  readonly openTime: number
  readonly closeTime: number
  readonly close: number
  readonly volume: number
}

interface History {
  readonly instruments: ReadonlyArray<Instrument>
  readonly frameMs: number
  /** As-of by as-of. */
  readonly asOfs: ReadonlyArray<{ readonly asOf: number; readonly bars: ReadonlyArray<Given> }>
}

/** Bars of a day or of an hour, on the sessions of a calendar, of all instruments but for some that are left out. */
const historyOf = (seed: number, calendar: Calendar, frameMs: number, days: number): History => {
  const random = keyedRandom("live features", seed)
  const closes = symbols.map(() => 100)
  const asOfs: Array<History["asOfs"][number]> = []
  for (let day = firstDay; day < firstDay + days; day++) {
    const session = sessionOn(calendar, day)
    if (session === undefined) continue
    const opens = frameMs === dayMs ? [day * dayMs] : [14, 15, 16].map((hour) => day * dayMs + hour * hourMs)
    for (const openTime of opens) {
      const closeTime = frameMs === dayMs ? session.closesAt : openTime + frameMs
      const bars = symbols.flatMap((_, instrument) => {
        const close = (closes[instrument] as number) * Math.exp(0.02 * random.normal())
        closes[instrument] = close
        const volume = random.int(1_000)
        return random.next() < 0.03 ? [] : [{ instrument, openTime, closeTime, close, volume }]
      })
      if (bars.length > 0) asOfs.push({ asOf: closeTime, bars })
    }
  }
  return { instruments: symbols.map((symbol) => instrumentOf(symbol, calendar)), frameMs, asOfs }
}

const figuresOf = (seed: number, days: number): Figures => {
  const random = keyedRandom("figures", seed)
  const values = Array.from({ length: days }, () => 10 + random.next())
  return { name: "figures", first: firstDay, on: (day) => values[day - firstDay] ?? null }
}
const vix = figuresOf(1, 200)

const inputsAt = (
  { asOfs, frameMs, instruments }: History,
  index: number,
  changes: Partial<FeatureInputs> = {}
) => {
  const days: Array<PanelDay> = []
  const calendars = instruments.map(({ calendar }) => calendar)
  for (const { bars } of asOfs.slice(0, index + 1)) {
    for (const bar of bars) takeSessionBar(days, calendars, bar.instrument, bar)
  }
  const inputs: FeatureInputs = {
    vix,
    putCall: "nobody counts",
    index: null,
    sectors: { name: "sectors", of: sectorOf },
    instruments,
    days,
    barsAsOf: asOfs[index]?.asOf as number,
    barsSource: "bars",
    frameMs,
    skill: emptySkill(),
    ...changes
  }
  return inputs
}
const readingAt = (history: History, index: number, changes: Partial<FeatureInputs> = {}) => {
  const inputs = inputsAt(history, index, changes)
  const reading = drained(marketFeaturesAt(inputs, inputs.barsAsOf))
  if (reading.status === "unavailable") throw new Error(reading.reason)
  return reading
}
const valuesOf = ({ features }: ReturnType<typeof readingAt>) =>
  Object.fromEntries(
    features.map((feature) => [
      feature.name,
      feature.status === "available" ? feature.value : feature.absence
    ])
  )

/** The sessions of a history up to an as-of, whole ones and the one that goes on, as files of them would have them. */
const sessionsOf = ({ asOfs, instruments }: History, index: number, volumes: "so far" | "whole") => {
  const seen = asOfs.slice(0, index + 1)
  const last = seen.at(-1)
  if (last === undefined) return []
  const calendar = instruments[0]?.calendar as Calendar
  const sessions: Array<MarketSession> = []
  const from = dayOf(seen[0]?.bars[0]?.openTime as number)
  for (let day = from; day <= dayOf(last.bars[0]?.openTime as number); day++) {
    const session = sessionOn(calendar, day)
    if (session === undefined) continue
    if (volumes === "whole" && session.closesAt > last.asOf) continue
    const bars = seen.flatMap((asOf) => asOf.bars).filter(({ openTime }) => dayOf(openTime) === day)
    const of = (place: number) => bars.filter(({ instrument }) => instrument === place)
    const places = symbols.flatMap((symbol, place) => (symbol === indexSymbol ? [] : [place]))
    const close = places.map((place) => of(place).at(-1)?.close ?? Number.NaN)
    // The session that goes on is there from when most of the panel is.
    const isOver = session.closesAt <= last.asOf
    if (!isOver && close.filter(Number.isNaN).length >= places.length / 2) continue
    /** Of a first day that its bars do not begin with nothing is known. */
    const isWhole = (place: number) =>
      (of(place)[0]?.openTime as number) <= session.opensAt ||
      seen.some(({ bars: some }) => some.some((bar) => bar.instrument === place && dayOf(bar.openTime) < day))
    const volume = places.map((place) =>
      of(place).length > 0 && isWhole(place)
        ? of(place).reduce((sum, { volume: traded }) => sum + traded, 0)
        : Number.NaN
    )
    sessions.push({
      asOf: Math.min(session.closesAt, last.asOf),
      vix: null,
      putCallRatio: null,
      index: of(symbols.indexOf(indexSymbol)).at(-1)?.close ?? null,
      panel: bars.length === 0 ? null : { adjustedClose: close, close, volume },
      outcomes: null
    })
  }
  return sessions
}
const batch = (sessions: ReadonlyArray<MarketSession>) => {
  const features = makeMarketFeatures({ sectors: ["Energy", "Energy", "Health Care", null] })
  return sessions.map((session) => features.push(session)).at(-1)?.values ?? []
}

describe("the features of the market in a running system", () => {
  const cases: ReadonlyArray<readonly [Calendar, number]> = [
    ["nyse", dayMs],
    ["nyse", hourMs],
    ["weekdays", dayMs],
    ["always", hourMs]
  ]
  it.each(cases)(
    "are those of the same fold over all sessions, on %s with bars of %d ms",
    (calendar, frameMs) => {
      fc.assert(
        fc.property(fc.nat(1_000), fc.double({ min: 0.01, max: 0.999, noNaN: true }), (seed, share) => {
          const history = historyOf(seed, calendar, frameMs, 80)
          const index = Math.floor(share * history.asOfs.length)
          const own = valuesOf(readingAt(history, index))
          const soFar = batch(sessionsOf(history, index, "so far"))
          const whole = batch(sessionsOf(history, index, "whole"))
          const ofPanel = [own.market_breadth, own.correlation, own.sector_dispersion]
          expect(ofPanel).toEqual([soFar[4], soFar[5], soFar[8]])
          expect([own.volume_ratio, own.gini_coefficient]).toEqual([
            whole[3] ?? "warming-up",
            whole[7] ?? "warming-up"
          ])
        }),
        { numRuns: 25 }
      )
    }
  )

  describe("of a panel of several calendars", () => {
    /** Bars of an hour of instruments, each on its calendar; of `from` on. */
    const mixed = (calendars: ReadonlyArray<Calendar>, days: number, from = firstDay * dayMs): History => {
      const random = keyedRandom("a panel of calendars", calendars.length)
      const asOfs: Array<History["asOfs"][number]> = []
      for (let openTime = from; openTime < (firstDay + days) * dayMs; openTime += hourMs) {
        const closeTime = openTime + hourMs
        const bars = calendars.flatMap((calendar, instrument) => {
          const session = sessionOn(calendar, dayOf(openTime))
          if (session === undefined || closeTime <= session.opensAt || openTime >= session.closesAt) return []
          return [{ instrument, openTime, closeTime, close: 100 + random.next(), volume: 10 }]
        })
        if (bars.length > 0) asOfs.push({ asOf: closeTime, bars })
      }
      const instruments = calendars.map((calendar, i) => instrumentOf(`X${i}`, calendar))
      return { instruments, frameMs: hourMs, asOfs }
    }
    const ofPrices = ["market_breadth", "correlation"]
    const ofVolumes = ["volume_ratio", "gini_coefficient"]
    const absentOf = (reading: ReturnType<typeof readingAt>, names: ReadonlyArray<string>) =>
      reading.features.filter(({ name, status }) => names.includes(name) && status === "absent")

    it.each([
      [["always", "nyse", "nyse", "nyse", "nyse"]],
      [["always", "nyse"]],
      [["always", "weekdays", "nyse"]],
      [["always", "always", "nyse"]]
    ] as ReadonlyArray<[ReadonlyArray<Calendar>]>)(
      "are there at every hour of a week once they have warmed up, on %j",
      (calendars) => {
        const history = mixed(calendars, 45)
        for (let index = history.asOfs.length - 7 * 24; index < history.asOfs.length; index++) {
          const reading = readingAt(history, index)
          expect([index, absentOf(reading, [...ofPrices, ...ofVolumes])]).toEqual([index, []])
        }
      }
    )

    it("have a ratio of volumes of whole days alone, though the run begins in one", () => {
      for (const beginsAt of [0, 1, 23]) {
        const history = mixed(["always", "always"], 30, firstDay * dayMs + beginsAt * hourMs)
        const ratios = history.asOfs.flatMap((_, index) => {
          const ratio = valuesOf(readingAt(history, index)).volume_ratio
          return typeof ratio === "number" ? [ratio] : []
        })
        // Of every hour from the end of the twentieth whole day on.
        const wholeFrom = beginsAt === 0 ? 0 : 1
        expect(ratios).toEqual(Array.from({ length: (30 - wholeFrom - 20) * 24 + 1 }, () => 1))
      }
    })
  })

  it("say why instruments without volumes have none of the panel", () => {
    const history = historyOf(8, "nyse", dayMs, 60)
    const index = history.asOfs.length - 1
    const { days } = inputsAt(history, index)
    for (const { volumes } of days) volumes.fill(Number.NaN)
    const missing =
      "fewer than half of the instruments have a close and a volume in each session of its window"
    const reasons = new Map(
      readingAt(history, index, { days }).features.map((feature) => [
        feature.name,
        feature.status === "absent" ? [feature.absence, feature.reason] : []
      ])
    )
    const ofPanel = ["volume_ratio", "market_breadth", "correlation", "gini_coefficient", "sector_dispersion"]
    for (const name of ofPanel) expect([name, reasons.get(name)]).toEqual([name, ["no-source", missing]])
    // The index is told by its closes.
    expect(reasons.get("spy_returns_5d")).toEqual([])
  })

  it("are those of figures and of the index where it is followed alone, or no session has come yet", () => {
    const history = historyOf(3, "nyse", dayMs, 80)
    const alone: History = {
      ...history,
      instruments: [instrumentOf(indexSymbol, "nyse")],
      asOfs: history.asOfs.map(({ asOf, bars }) => ({
        asOf,
        bars: bars
          .filter(({ instrument }) => instrument === symbols.indexOf(indexSymbol))
          .map((bar) => ({ ...bar, instrument: 0 }))
      }))
    }
    const reading = readingAt(alone, alone.asOfs.length - 1)
    const { market_breadth, spy_returns_5d, vix_level } = valuesOf(reading)
    const beside = valuesOf(readingAt(history, history.asOfs.length - 1))
    expect([vix_level, spy_returns_5d, market_breadth]).toEqual([
      beside.vix_level,
      beside.spy_returns_5d,
      "no-source"
    ])
    expect(spy_returns_5d).toBeTypeOf("number")
    const breadth = reading.features.find(({ name }) => name === "market_breadth")
    expect(breadth).toMatchObject({
      reason: "no instrument is followed but the one that stands for the index"
    })

    // A run that begins on a Saturday.
    const saturday = dayOf(Date.UTC(2018, 8, 8)) * dayMs
    const bar = { openTime: saturday, close: 5, volume: 1 }
    const days: Array<PanelDay> = []
    takeSessionBar(days, ["nyse"], 0, bar)
    const first = readingAt(history, 0, {
      days,
      instruments: [instrumentOf("AAA", "nyse")],
      barsAsOf: saturday + hourMs
    })
    expect(valuesOf(first)).toMatchObject({ vix_level: expect.any(Number), market_breadth: "warming-up" })
  })

  it("have the returns of the index from its bars, session by session, and from figures where there are some", () => {
    const history = historyOf(3, "nyse", dayMs, 80)
    const index = history.asOfs.length - 1
    const expected = batch(sessionsOf(history, index, "so far"))
    const own = valuesOf(readingAt(history, index))
    expect([own.spy_returns_5d, own.spy_returns_20d]).toEqual([expected[1], expected[2]])
    expect(own.spy_returns_5d).toBeTypeOf("number")

    const figures = figuresOf(2, 200)
    const days = history.asOfs.map(({ bars }) => dayOf(bars[0]?.openTime as number))
    const figure = (back: number) => figures.on(days.at(-1 - back) as number) as number
    const outside = valuesOf(readingAt(history, index, { index: figures }))
    expect(outside.spy_returns_5d).toBeCloseTo(figure(0) / figure(5) - 1, 12)
    expect(outside.spy_returns_20d).toBeCloseTo(figure(0) / figure(20) - 1, 12)
  })

  it("are read from figures that were known, the latest of a week", () => {
    const history = historyOf(4, "always", hourMs, 40)
    const index = history.asOfs.length - 1
    const { barsAsOf } = inputsAt(history, index)
    // On a Friday at five in the afternoon, before New York closes, the figure of Thursday is the latest.
    expect(new Date(barsAsOf).toISOString()).toBe("2018-10-12T17:00:00.000Z")
    const [level] = readingAt(history, index).features
    expect(level).toEqual({
      name: "vix_level",
      unit: "index points",
      source: "figures",
      status: "available",
      value: vix.on(dayOf(barsAsOf) - 1),
      at: Date.UTC(2018, 9, 11, 20)
    })
    const old: Figures = { ...vix, on: (day) => (day < dayOf(barsAsOf) - 8 ? 12 : null) }
    expect(readingAt(history, index, { vix: old }).features[0]).toMatchObject({
      status: "absent",
      reason: "no figure of the last 7 days was known"
    })
  })

  it("do not look behind the as-of, in bars or in figures", () => {
    const history = historyOf(5, "nyse", hourMs, 60)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: history.asOfs.length - 1 }), (index) => {
        const cut = { ...history, asOfs: history.asOfs.slice(0, index + 1) }
        const { barsAsOf } = inputsAt(history, index)
        const known = (figures: Figures): Figures => ({
          ...figures,
          on: (day) => (day * dayMs < barsAsOf ? figures.on(day) : null)
        })
        const today = dayOf(barsAsOf)
        const wrong: Figures = { ...vix, on: (day) => (day >= today ? 1e6 : vix.on(day)) }
        const isBeforeTheClose = barsAsOf < (sessionOn("nyse", today)?.closesAt ?? 0)
        const reading = readingAt(history, index, { index: vix })
        expect(readingAt(cut, index, { vix: known(vix), index: known(vix) })).toEqual(reading)
        if (isBeforeTheClose) expect(readingAt(history, index, { vix: wrong, index: wrong })).toEqual(reading)
      }),
      { numRuns: 40 }
    )
  })

  it("say of each that is absent why, and of each that is there what it is of", () => {
    const history = historyOf(6, "nyse", dayMs, 60)
    const index = history.asOfs.length - 1
    const skill = emptySkill()
    for (let i = 0; i < 60; i++) takeOutcome(skill, { label: "buy", probability: 0.5 })
    const reading = readingAt(history, index, { skill })
    expect(Schema.is(FeaturesReading)(reading)).toBe(true)
    expect(reading.features.map(({ name, status }) => [name, status])).toEqual([
      ...[
        ["vix_level", "available"],
        ["spy_returns_5d", "available"],
        ["spy_returns_20d", "available"]
      ],
      ...[
        ["volume_ratio", "available"],
        ["market_breadth", "available"],
        ["correlation", "available"]
      ],
      ...[
        ["put_call_ratio", "absent"],
        ["gini_coefficient", "available"],
        ["sector_dispersion", "available"]
      ],
      ["signal_quality", "available"]
    ])
    const reasonsOf = (changes: Partial<FeatureInputs>, at = index) =>
      Object.fromEntries(
        readingAt(history, at, changes).features.map((feature) => [
          feature.name,
          feature.status === "absent" ? feature.reason : ""
        ])
      )
    expect(reasonsOf({})).toMatchObject({
      put_call_ratio: "nobody counts",
      signal_quality: "fewer than 50 outcomes have matured"
    })
    expect(reasonsOf({}, 2).correlation).toBe("its window reaches over more sessions than have been seen")
    expect(reasonsOf({ sectors: "nobody sorts" }).sector_dispersion).toBe("nobody sorts")
    expect(reasonsOf({ sectors: { name: "s.csv", of: new Map() } }).sector_dispersion).toBe(
      "no instrument has a sector in s.csv"
    )
    expect(reasonsOf({ index: "it is gone" }).spy_returns_5d).toBe("it is gone")
    const strangers = history.instruments.map(({ symbol }) => instrumentOf(`X${symbol}`, "nyse"))
    expect(reasonsOf({ instruments: strangers }).spy_returns_20d).toMatch(/^SPY is not followed/)
  })

  it("are unavailable without bars, and of bars that are longer than a session", () => {
    const history = historyOf(7, "always", dayMs, 10)
    const inputs = inputsAt(history, 5)
    const statusOf = (changes: Partial<FeatureInputs>) =>
      drained(marketFeaturesAt({ ...inputs, ...changes }, inputs.barsAsOf)).status
    expect(statusOf({ days: [] })).toBe("unavailable")
    expect(statusOf({ frameMs: 7 * dayMs })).toBe("unavailable")
  })
})
