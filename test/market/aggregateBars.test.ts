import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { aggregateBars } from "../../src/market/aggregateBars.ts"
import type { BarSeries } from "../../src/market/BarSeries.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"
import { only, parse, rowsOf } from "./parseBars.ts"

const hourMs = 3_600_000
const four = TimeFrame.make("4h")

/** Hourly bars whose numbers follow from their place, some of them missing. */
const hourly = (first: number, places: ReadonlyArray<number>): BarSeries => {
  const rows = places.map((place) => {
    const time = new Date(first + place * hourMs).toISOString()
    const price = 100 + ((place * 37) % 17)
    return [time, price, price + 5 + (place % 3), price - 5 - (place % 2), price + 1, 1 + place].join(",")
  })
  const series = only(parse("X_1h.csv", ["timestamp,open,high,low,close,volume", ...rows].join("\n")))
  // Where many are missing, the times tell another time frame.
  return { ...series, timeFrame: TimeFrame.make("1h") }
}

const midnight = Date.UTC(2024, 0, 1)
const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)
const aggregated = (series: BarSeries, frame = four) => Either.getOrThrow(aggregateBars(series, frame))
const places = fc
  .uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 20 })
  .map((all) => all.sort((a, b) => a - b))

describe("bars of a longer time frame", () => {
  it("have the first open, the extremes, the last close and all of the volume", () => {
    const series = hourly(midnight, upTo(12))
    const [first] = rowsOf(aggregated(series))
    const rows = rowsOf(series).slice(0, 4) as ReadonlyArray<ReadonlyArray<number>>
    expect(first).toEqual([
      midnight,
      rows[0]?.[1],
      Math.max(...rows.map((row) => row[2] as number)),
      Math.min(...rows.map((row) => row[3] as number)),
      rows[3]?.[4],
      rows.reduce((sum, row) => sum + (row[5] as number), 0)
    ])
    expect(aggregated(series)).toMatchObject({ timeFrame: four, gaps: 0 })
    expect(rowsOf(aggregated(series)).length).toBe(3)
  })

  it("have no volume where one of their bars has none, and the others keep theirs", () => {
    const series = hourly(midnight, upTo(12))
    const whole = aggregated(series)
    const without = (...places: ReadonlyArray<number>) =>
      aggregated({
        ...series,
        volume: series.close.map((_, i) => (places.includes(i) ? Number.NaN : (series.volume?.[i] as number)))
      })
    expect(without(5)).toEqual({ ...whole, volume: whole.volume?.with(1, Number.NaN) })
    expect(without(0, 5, 11)).toEqual({ ...whole, volume: null })
  })

  it("leave out the intervals that the series begins and ends within", () => {
    const series = hourly(midnight, upTo(10, 2))
    expect([...aggregated(series).openTime]).toEqual([midnight + 4 * hourMs, midnight + 8 * hourMs])
    expect([...aggregated(hourly(midnight, upTo(7))).openTime]).toEqual([midnight])
  })

  it("are the same of a series that was cut off, but for the last", () => {
    fc.assert(
      fc.property(places, fc.integer({ min: 12, max: 19 }), (all, kept) => {
        const whole = aggregateBars(hourly(midnight, all), four)
        const cut = aggregateBars(hourly(midnight, all.slice(0, kept)), four)
        if (Either.isLeft(cut) || Either.isLeft(whole)) return
        const rows = rowsOf(cut.right)
        expect(rowsOf(whole.right).slice(0, rows.length)).toEqual(rows)
      })
    )
  })

  it("count what is missing altogether as a gap", () => {
    const series = hourly(midnight, [...upTo(4), ...upTo(8, 12)])
    expect(aggregated(series)).toMatchObject({ gaps: 1, barsMissing: 2 })
  })

  it("begin on Monday where they are weeks", () => {
    const series = hourly(midnight, upTo(24 * 15))
    const weeks = aggregated(series, TimeFrame.make("1w"))
    expect([...weeks.openTime]).toEqual([midnight, midnight + 7 * 24 * hourMs])
  })

  it("are the series itself where the time frame is its own, and refused where none can be made", () => {
    const series = hourly(midnight, upTo(10))
    expect(aggregated(series, series.timeFrame)).toBe(series)
    const refusal = (frame: string) =>
      Either.getOrThrow(Either.flip(aggregateBars(series, TimeFrame.make(frame)))).message
    expect(refusal("90m")).toContain("do not add up")
    expect(refusal("30m")).toContain("do not add up")
    expect(refusal("1d")).toBe("csv:X:other has no bars of 1d: its 10 bars do not fill one.")
  })
})
