import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { aggregateBars } from "../../../src/market/aggregateBars.ts"
import {
  type BarAggregatorOptions,
  gapPolicies,
  type HigherBar,
  makeBarAggregator
} from "../../../src/market/time/BarAggregator.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { only, parse, rowsOf } from "../parseBars.ts"
import { at, barAt, day, dayMs, hour, hourMs, midnight } from "./bars.ts"

const four = TimeFrame.make("4h")
const options: BarAggregatorOptions = { from: hour, to: four, calendar: "always" }
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

const fold = (places: ReadonlyArray<number>, changed: Partial<BarAggregatorOptions> = {}) => {
  const aggregator = makeBarAggregator({ ...options, ...changed })
  return { aggregator, closed: places.flatMap((place) => aggregator.push(barAt(place))) }
}

const places = fc
  .uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1 })
  .map((all) => all.sort((a, b) => a - b))
const policies = fc.constantFrom(...gapPolicies)

describe("an aggregator", () => {
  it("gives a bar with the one that ends with it, and not earlier", () => {
    expect(fold(upTo(3)).closed).toEqual([])
    const [bar] = fold(upTo(4)).closed
    expect(bar).toMatchObject({
      openTime: midnight,
      closeTime: midnight + 4 * hourMs,
      knownAt: midnight + 4 * hourMs,
      open: barAt(0).open,
      close: barAt(3).close,
      high: Math.max(...upTo(4).map((place) => barAt(place).high)),
      low: Math.min(...upTo(4).map((place) => barAt(place).low)),
      volume: 1 + 2 + 3 + 4,
      bars: 4,
      carried: 0
    })
  })

  it("gives bars that are known when the last of theirs is, be it not the last in time", () => {
    const aggregator = makeBarAggregator(options)
    const late = midnight + 9 * hourMs
    const bars = upTo(4).map((place) => barAt(place, place === 1 ? { knownAt: late } : {}))
    expect(bars.flatMap(aggregator.push)).toMatchObject([{ knownAt: late }])
  })

  it("makes the same bars whether the clock closes them or the next bar does", () => {
    fc.assert(
      fc.property(places, policies, (all, gaps) => {
        const end = midnight + 64 * hourMs
        const late = fold(all, { gaps })
        const byBars = [...late.closed, ...late.aggregator.closeUpTo(end)]
        const { aggregator } = fold([], { gaps })
        const byClock: Array<HigherBar> = []
        for (let place = 0; place <= 64; place++) {
          byClock.push(...aggregator.closeUpTo(midnight + place * hourMs))
          if (all.includes(place)) byClock.push(...aggregator.push(barAt(place)))
        }
        expect(byClock).toEqual(byBars)
      })
    )
  })

  it("is what the batch form folds, for every policy and calendar", () => {
    const rows = upTo(400, 5)
      .filter((place) => place % 11 !== 3)
      .map((place) => {
        const { close, high, low, open, openTime, volume } = barAt(place)
        return [new Date(openTime).toISOString(), open, high, low, close, volume].join(",")
      })
    const series = only(parse("X_1h.csv", ["timestamp,open,high,low,close,volume", ...rows].join("\n")))
    for (const calendar of ["always", "weekdays", "nyse"] as const) {
      for (const gaps of gapPolicies) {
        const own = { ...series, instrument: { ...series.instrument, calendar } }
        const batch = aggregateBars(own, four, gaps)
        const aggregator = makeBarAggregator({ ...options, calendar, gaps })
        const pushed = [...series.openTime].flatMap((_, i) =>
          aggregator.push({ ...barAt(0), ...barOf(series, i) })
        )
        const expected = pushed.map((bar) => [
          bar.openTime,
          bar.open,
          bar.high,
          bar.low,
          bar.close,
          bar.volume
        ])
        expect(Either.isRight(batch) ? rowsOf(batch.right) : []).toEqual(expected)
      }
    }
  })

  it("leaves out what touches no session, so that the bar of a day is that of its session", () => {
    const friday = at("2018-11-23")
    const aggregator = makeBarAggregator({ from: hour, to: day, calendar: "nyse" })
    const closed = upTo(24).flatMap((h) => aggregator.push(barAt(h, { openTime: friday + h * hourMs })))
    // An early close: 14:30 to 18:00.
    expect(closed).toMatchObject([{ openTime: friday, closeTime: at("2018-11-23T18:00:00Z"), bars: 4 }])
  })

  it("closes the week with its last session", () => {
    const week = TimeFrame.make("1w")
    const aggregator = makeBarAggregator({ from: day, to: week, calendar: "nyse", gaps: "require-complete" })
    const monday = at("2019-04-15")
    const closed = upTo(4).map((i) =>
      aggregator.push(barAt(i, { timeFrame: day, openTime: monday + i * dayMs }))
    )
    expect(closed.map((bars) => bars.length)).toEqual([0, 0, 0, 1])
    expect(closed[3]).toMatchObject([{ closeTime: at("2019-04-18T20:00:00Z"), bars: 4 }])
  })

  it("throws at bars that run backward, and at time frames that do not go into each other", () => {
    const { aggregator } = fold([0, 1])
    expect(() => aggregator.push(barAt(1))).toThrow("go through a bar book")
    expect(aggregator.closeUpTo(midnight + 4 * hourMs)).toHaveLength(1)
    expect(() => aggregator.push(barAt(3))).toThrow("go through a bar book")
    expect(() => makeBarAggregator({ ...options, to: TimeFrame.make("90m") })).toThrow("whole multiple")
  })
})

const barOf = (series: ReturnType<typeof only>, i: number) => ({
  openTime: series.openTime[i] as number,
  open: series.open[i] as number,
  high: series.high[i] as number,
  low: series.low[i] as number,
  close: series.close[i] as number,
  volume: (series.volume as Float64Array)[i] as number
})

describe("missing bars", () => {
  const holed = [0, 1, 2, 3, 4, 6, 7, 16, 17]

  it("are passed over where gaps are kept", () => {
    const { closed } = fold(holed)
    expect(closed.map(({ bars, openTime }) => [(openTime - midnight) / hourMs, bars])).toEqual([
      [0, 4],
      [4, 3]
    ])
  })

  it("leave no bar where it is to be complete", () => {
    expect(fold(holed, { gaps: "require-complete" }).closed.map(({ bars }) => bars)).toEqual([4])
  })

  it("are flat at the last close, without volume, and counted, where it is carried forward", () => {
    const { closed } = fold(holed, { gaps: "carry-forward" })
    expect(closed.map(({ bars, carried }) => [bars, carried])).toEqual([
      [4, 0],
      [3, 1],
      [0, 4],
      [0, 4]
    ])
    const last = barAt(7).close
    expect(closed[2]).toMatchObject({ open: last, high: last, low: last, close: last, volume: 0 })
    expect(closed[1]?.volume).toBe([4, 6, 7].reduce((sum, place) => sum + (barAt(place).volume ?? 0), 0))
  })

  it("are carried no further than allowed", () => {
    const { aggregator, closed } = fold([0, 1, 2, 3], { gaps: "carry-forward", carriedBarsMax: 6 })
    const rest = aggregator.closeUpTo(midnight + 400 * hourMs)
    expect([...closed, ...rest].map(({ bars, carried }) => [bars, carried])).toEqual([
      [4, 0],
      [0, 4],
      [0, 2]
    ])
    expect(aggregator.push(barAt(200))).toEqual([])
  })

  it("that nobody traded in, in a market without volume, have none either", () => {
    const aggregator = makeBarAggregator({ ...options, gaps: "carry-forward" })
    const closed = [0, 4].flatMap((place) => aggregator.push(barAt(place, { volume: null })))
    expect(closed).toMatchObject([{ volume: null, carried: 3 }])
  })

  it("do not count over a night that has no sessions", () => {
    const aggregator = makeBarAggregator({ from: hour, to: day, calendar: "nyse", gaps: "carry-forward" })
    const days = ["2018-11-21", "2018-11-23", "2018-11-26"]
    const closed = days.flatMap((date) =>
      upTo(7, 14)
        .filter((h) => date !== "2018-11-23" || h < 17)
        .flatMap((h) => aggregator.push(barAt(h, { openTime: at(date) + h * hourMs })))
    )
    expect(closed.map(({ bars, carried }) => [bars, carried])).toEqual([
      [7, 0],
      [3, 1],
      [7, 0]
    ])
  })
})
