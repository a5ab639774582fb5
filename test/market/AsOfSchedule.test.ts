import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as fc from "fast-check"
import { type AsOfScheduleOptions, makeAsOfSchedule, warmUpAsOfs } from "../../src/market/AsOfSchedule.ts"
import type { BarSeries } from "../../src/market/BarSeries.ts"
import { fileInstrument } from "../../src/market/InstrumentName.ts"
import { Bar } from "../../src/protocols/Bar.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"
import { Limits } from "../../src/protocols/wire/Limits.ts"

const hour = 3_600_000

/** A series whose close tells the hour it opened in. */
const seriesOf = (symbol: string, hours: ReadonlyArray<number>, timeFrame = "1h"): BarSeries => {
  const openTime = Float64Array.from(hours, (h) => h * hour)
  const close = Float64Array.from(hours, (h) => h + 1)
  return {
    instrument: fileInstrument("csv", symbol, "spot", "always"),
    timeFrame: TimeFrame.make(timeFrame),
    openTime,
    open: close,
    high: close,
    low: close,
    close,
    volume: null,
    closeOnly: true,
    gaps: 0,
    barsMissing: 0
  }
}

const schedule = (
  series: readonly [BarSeries, ...ReadonlyArray<BarSeries>],
  options: AsOfScheduleOptions = {}
) => Either.getOrThrow(makeAsOfSchedule(series, options))
const errorOf = (...series: readonly [BarSeries, ...ReadonlyArray<BarSeries>]) =>
  Either.getOrThrow(Either.flip(makeAsOfSchedule(series)))

const shown = (asOfs: Iterable<{ asOf: number; bars: ReadonlyArray<Bar> }>) =>
  Array.from(asOfs, ({ asOf, bars }) => [
    asOf / hour,
    ...bars.map((bar) => `${bar.instrument.split(":")[1]}${bar.sequence}`)
  ])

describe("AsOfSchedule", () => {
  const a = seriesOf("A", [0, 1, 2, 5])
  const b = seriesOf("B", [1, 2, 3])

  it("has an as-of per distinct close time, with the bars of all instruments that close then", () => {
    const merged = schedule([a, b])
    expect(shown(merged)).toEqual([
      [1, "A0"],
      [2, "A1", "B0"],
      [3, "A2", "B1"],
      [4, "B2"],
      [6, "A3"]
    ])
    expect([merged.length, merged.bars, merged.timeFrame]).toEqual([5, 7, "1h"])
    expect(shown([merged.at(2)])).toEqual([[3, "A2", "B1"]])
    expect(merged.closeTimeAt(4)).toBe(6 * hour)
    expect([0, 1, 2, 3, 4, 5].map(merged.barsBefore)).toEqual([0, 1, 3, 5, 6, 7])
  })

  it("makes bars that are known when they close", () => {
    const [bar] = schedule([a], { source: "replay" }).at(1).bars
    expect(bar).toEqual({
      instrument: "csv:A:spot",
      timeFrame: "1h",
      openTime: hour,
      closeTime: 2 * hour,
      open: 2,
      high: 2,
      low: 2,
      close: 2,
      volume: null,
      closeOnly: true,
      source: "replay",
      sequence: 1,
      revision: 0,
      knownAt: 2 * hour
    })
    expect(Schema.is(Bar)(bar)).toBe(true)
  })

  it("keeps the last as-ofs only, without renumbering the bars of a series", () => {
    const last = schedule([a, b], { lastAsOfs: 3 })
    expect(shown(last)).toEqual([
      [3, "A2", "B1"],
      [4, "B2"],
      [6, "A3"]
    ])
    expect([last.length, last.bars, last.at(0).index]).toEqual([3, 4, 0])
    expect(schedule([a, b], { lastAsOfs: 100 }).length).toBe(5)
  })

  it("has nothing outside its length", () => {
    const merged = schedule([a, b])
    expect(() => merged.at(5)).toThrow(RangeError)
    expect(() => merged.at(-1)).toThrow(RangeError)
    expect(() => merged.closeTimeAt(5)).toThrow(RangeError)
  })

  it("refuses series of several time frames, an instrument that occurs twice, and too many of them", () => {
    expect(errorOf(a, seriesOf("B", [0], "1d"))).toMatchObject({
      _tag: "MixedTimeFrames",
      first: "csv:A:spot",
      other: "csv:B:spot",
      otherTimeFrame: "1d"
    })
    expect(errorOf(a, b, seriesOf("A", [9]))).toMatchObject({
      _tag: "DuplicateInstrument",
      instrument: "csv:A:spot"
    })
    const many = Array.from({ length: Limits.barsPerEventMax }, (_, i) => seriesOf(`S${i}`, [0]))
    expect(errorOf(a, ...many)._tag).toBe("TooManyInstruments")
  })

  it("gives every bar exactly once, in rising time, in the order of the series", () => {
    const hours = fc
      .uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1 })
      .map((all) => all.sort((x, y) => x - y))
    fc.assert(
      fc.property(fc.array(hours, { minLength: 1, maxLength: 5 }), fc.nat({ max: 50 }), (all, lastAsOfs) => {
        const [first, ...others] = all.map((one, i) => seriesOf(`S${i}`, one))
        if (first === undefined) throw new Error("no series")
        const merged = schedule([first, ...others], { lastAsOfs })
        const distinct = [...new Set(all.flat())].sort((x, y) => x - y)
        const kept = distinct.slice(Math.max(0, distinct.length - lastAsOfs))
        // The naive merge: for each time, look into every series.
        const expected = kept.map((h) => [
          h + 1,
          ...all.flatMap((one, i) => (one.includes(h) ? [`S${i}${one.indexOf(h)}`] : []))
        ])
        expect(shown(merged)).toEqual(expected)
        expect(Array.from(merged, ({ index }) => index)).toEqual(kept.map((_, i) => i))
      })
    )
  })
})

describe("the warm-up", () => {
  it("is the first 250 as-ofs or a fifth, whichever is more, and never more than there are", () => {
    expect([0, 100, 250, 251, 1_250, 1_251, 10_000].map((total) => warmUpAsOfs(total))).toEqual([
      0, 100, 250, 250, 250, 251, 2_000
    ])
    expect(warmUpAsOfs(1_000, 10, 0.5)).toBe(500)
  })
})
