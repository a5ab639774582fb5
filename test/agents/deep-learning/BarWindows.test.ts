import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  type BarWindows,
  barsKept,
  decodeWindows,
  EncodedWindows,
  emptyWindows,
  encodeWindows,
  evolveWindows,
  seriesOf,
  windowBars,
  windowSeries
} from "../../../src/agents/deep-learning/BarWindows.ts"
import { barAt } from "../../../src/market/BarSeries.ts"
import type { Bar, BarsEvent } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import {
  asOfAt,
  barOf,
  closed,
  ended,
  frameMs,
  instrumentOf,
  opened,
  simulated,
  timeFrame
} from "../feedEvents.ts"

const count = 500
const { events, instruments } = simulated({ seed: 91, count, instruments: 2 })
const [alpha, bravo] = instruments as [Instrument, Instrument]
const barsOf = ({ id }: Instrument): ReadonlyArray<Bar> =>
  events.flatMap(({ payload }) => payload.bars.filter(({ instrument }) => instrument === id))

const fold = (all: ReadonlyArray<BarsEvent>, from: BarWindows = emptyWindows()) =>
  all.reduce(evolveWindows, from)
const having = (bars: number) => fold([opened(instruments), ...events.slice(0, bars)])

/** The window that ends with a bar, by its index. */
const windowOf = (state: BarWindows, index: number, bars: number, { id }: Instrument = alpha) =>
  windowSeries(state, id, timeFrame, (barsOf(alpha)[index] as Bar).closeTime, bars)

const restarted = (state: BarWindows): BarWindows => {
  const json = Schema.parseJson(EncodedWindows)
  return decodeWindows(Schema.decodeSync(json)(Schema.encodeSync(json)(encodeWindows(state))))
}

const price = fc.double({ min: Number.MIN_VALUE, max: 1e300, noNaN: true })
const anyBar = fc.record({
  open: price,
  high: price,
  low: price,
  close: price,
  volume: fc.option(fc.double({ min: 0, noDefaultInfinity: true, noNaN: true })),
  closeOnly: fc.boolean()
})

describe("the latest bars", () => {
  it("are taken once and in order, whatever comes again", () => {
    const state = having(100)
    const expected = encodeWindows(state)
    for (const again of [99, 98, 40, 0]) fold([events[again] as BarsEvent], state)
    expect(encodeWindows(fold([ended(1)], state))).toEqual(expected)
    expect(encodeWindows(fold(events.slice(100), state))).toEqual(encodeWindows(having(count)))
  })

  it("are so many at least once there are, and not many more", () => {
    const state = having(0)
    for (const [index, event] of events.entries()) {
      fold([event], state)
      expect(windowOf(state, index, Math.min(index + 1, barsKept), bravo)?.close.length).toBe(
        Math.min(index + 1, barsKept)
      )
      for (const { columns } of state.windows.values())
        expect(columns.close.length).toBeLessThan(1.5 * barsKept)
    }
    expect(windowOf(having(barsKept - 1), barsKept - 2, barsKept)).toBeUndefined()
  })

  it("are the bars as they came, column by column", () => {
    const bars = barsOf(bravo)
    for (const index of [0, 63, 300, count - 1]) {
      const held = Math.min(index + 1, 100)
      expect(windowOf(having(index + 1), index, held, bravo)).toEqual(
        seriesOf(bravo, timeFrame, bars.slice(index + 1 - held, index + 1))
      )
    }
    expect(windowOf(having(70), 69, 70)).toMatchObject({ instrument: alpha, timeFrame, closeOnly: false })
  })

  it("up to a bar are those of a stream that was cut off there", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: count - 60 }),
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: barsKept - 60 }),
        (cut, later, bars) => {
          const truncated = windowOf(having(cut), cut - 1, bars)
          expect(truncated === undefined).toBe(cut < bars)
          expect(windowOf(having(cut + later), cut - 1, bars)).toEqual(truncated)
        }
      ),
      { numRuns: 40 }
    )
  })

  it("come back from a snapshot to the last bit, and go on as if there had been none", () => {
    fc.assert(
      fc.property(fc.array(anyBar, { maxLength: 20 }), (bars) => {
        const all = bars.map((given, i) =>
          closed(i, [{ ...barOf(alpha, i, { open: 1, close: 1 }), ...given }])
        )
        const state = fold([opened([alpha]), ...all])
        expect(restarted(state)).toEqual(state)
      })
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: count }), (cut) => {
        const resumed = fold(events.slice(cut), restarted(having(cut)))
        expect(resumed).toEqual(having(count))
      }),
      { numRuns: 10 }
    )
  })

  it("of closes alone are one array for every price, without volumes", () => {
    const all = Array.from({ length: 5 }, (_, i) =>
      closed(i, [barOf(alpha, i, { open: 9, close: 10 + i, closeOnly: true })])
    )
    const series = windowSeries(fold([opened([alpha]), ...all]), alpha.id, timeFrame, asOfAt(4), 5)
    expect(series?.closeOnly).toBe(true)
    expect([...(series?.close ?? [])]).toEqual([10, 11, 12, 13, 14])
    for (const name of ["open", "high", "low"] as const) expect(series?.[name]).toBe(series?.close)
    expect(series?.volume).toBeNull()
  })

  it("have each its own volume, NaN where it has none, and no volumes where none of them has one", () => {
    const volumes = [null, null, 7, null, 8]
    const bars = volumes.map((volume, i) => barOf(alpha, i, { open: 1, close: 2, volume }))
    const state = fold([opened([alpha]), ...bars.map((bar, i) => closed(i, [bar]))])
    const columnOf = (from: number, to: number) => {
      const some = bars.slice(from, to)
      const { volume } = seriesOf(alpha, timeFrame, some)
      const { closeTime } = some.at(-1) as Bar
      expect(windowSeries(state, alpha.id, timeFrame, closeTime, to - from)?.volume).toEqual(volume)
      return volume
    }
    expect(columnOf(0, 5)).toEqual(Float64Array.of(Number.NaN, Number.NaN, 7, Number.NaN, 8))
    expect(columnOf(2, 3)).toEqual(Float64Array.of(7))
    expect(columnOf(0, 2)).toBeNull()
    const series = seriesOf(alpha, timeFrame, bars)
    expect(bars.map((_, i) => barAt(series, i, "any").volume)).toEqual(volumes)
  })

  it("are none of an instrument that is not listed or has no bars, and at no time at which no bar closed", () => {
    const state = having(50)
    const asOf = (barsOf(alpha)[49] as Bar).closeTime
    expect(windowSeries(state, instrumentOf("NOBODY").id, timeFrame, asOf, 1)).toBeUndefined()
    const listed = fold([opened([...instruments, instrumentOf("NEW")]), ...events.slice(0, 50)])
    expect(windowSeries(listed, instrumentOf("NEW").id, timeFrame, asOf, 1)).toBeUndefined()
    // Bars of one that the feed has not told of.
    expect(windowSeries(fold(events.slice(0, 50)), alpha.id, timeFrame, asOf, 1)).toBeUndefined()
    for (const time of [asOf + 1, asOf + frameMs, asOf - 1, 0]) {
      expect(windowSeries(state, alpha.id, timeFrame, time, 1)).toBeUndefined()
    }
    expect(windowSeries(emptyWindows(), alpha.id, timeFrame, asOf, 1)).toBeUndefined()
  })

  it("end with the session that closed at an as-of, under a calendar of sessions", () => {
    const daily = TimeFrame.make("1d")
    const listed: Instrument = { ...alpha, calendar: "nyse" }
    // From a Wednesday on: Thanksgiving is left out, and the day after it closes at 13:00 in New York.
    const dates = ["2018-11-20", "2018-11-21", "2018-11-23", "2018-11-26"]
    const closes = ["20T21:00", "21T21:00", "23T18:00", "26T21:00"].map((at) => Date.parse(`2018-11-${at}Z`))
    const all = dates.map((date, i) => {
      const closeTime = closes[i] as number
      const bar = barOf(listed, i, { open: 1, close: 2 })
      return closed(i, [
        { ...bar, timeFrame: daily, openTime: Date.parse(date), closeTime, knownAt: closeTime }
      ])
    })
    const state = fold([opened([listed]), ...all])
    for (const [i, close] of closes.entries()) {
      expect(windowSeries(state, listed.id, daily, close, 1)?.openTime).toEqual(
        Float64Array.of(Date.parse(dates[i] as string))
      )
    }
    expect(windowSeries(state, listed.id, daily, Date.parse("2018-11-24"), 1)).toBeUndefined()
  })
})

describe("the bars of a stretch of time", () => {
  const closing = (state: BarWindows, from: number, to: number, { calendar, id }: Instrument = bravo) =>
    windowBars(state, { calendar, id }, timeFrame, from, to)

  it("are those that closed in it as they came, whatever has come since, as far back as they are held", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: count }),
        fc.nat(count - 1),
        fc.nat(count - 1),
        (seen, one, other) => {
          const [from, to] = [asOfAt(Math.min(one, other)), asOfAt(Math.max(one, other))]
          const bars = barsOf(bravo).slice(0, seen)
          const found = closing(having(seen), from, to)
          if (found === undefined) {
            expect(from).toBeLessThan(asOfAt(seen - barsKept))
            return
          }
          const isIn = ({ closeTime }: Bar) => closeTime >= from && closeTime <= to
          const asTheyCame = bars.filter(isIn).map((bar, i) => {
            const { sequence, source } = found[i] as Bar
            return { ...bar, sequence, source }
          })
          expect(found).toEqual(asTheyCame)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("are not given where some of them may have been let go, and are none of what has never been there", () => {
    expect(closing(having(count), asOfAt(0), asOfAt(count - 1))).toBeUndefined()
    expect(closing(having(count), asOfAt(count - barsKept), asOfAt(count - 1))?.length).toBe(barsKept)
    expect(closing(having(barsKept - 1), 0, asOfAt(count))?.length).toBe(barsKept - 1)
    expect(closing(having(50), asOfAt(60), asOfAt(70))).toEqual([])
    expect(closing(having(50), 0, asOfAt(70), instrumentOf("OTHER"))).toEqual([])
  })

  it("say where there is no volume, of each by itself", () => {
    const volumes = [5, null, 7]
    const all = volumes.map((volume, i) => closed(i, [barOf(bravo, i, { open: 1, close: 2, volume })]))
    const found = closing(fold([opened([bravo]), ...all]), 0, asOfAt(2))
    expect(found?.map(({ volume }) => volume)).toEqual(volumes)
  })
})
