import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  candleAt,
  candlesOf,
  drawdownOf,
  lineOf,
  pointsMax,
  scriptJson,
  strideFor
} from "../../../src/cli/report/chartData.ts"

const timesOf = (count: number) => Float64Array.from({ length: count }, (_, i) => (i + 1) * 60_000)

describe("columns for a chart", () => {
  it("are at most so many points, rise strictly and end with the last value", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 * pointsMax + 7 }), (count) => {
        const values = Float64Array.from({ length: count }, (_, i) => i + 1)
        const points = lineOf(timesOf(count), values)
        expect(points.length).toBeLessThanOrEqual(pointsMax)
        expect(points.length).toBe(Math.ceil(count / strideFor(count)))
        expect(points.at(-1)).toEqual({ time: count * 60, value: count })
        expect(points.every(({ time }, i) => i === 0 || time > (points[i - 1]?.time ?? 0))).toBe(true)
      }),
      { numRuns: 25 }
    )
  })

  it("leave out what is no number", () => {
    expect(lineOf(timesOf(3), [1, Number.NaN, 3]).map(({ value }) => value)).toEqual([1, 3])
  })

  it("put bars together without losing a high or a low", () => {
    const count = pointsMax + 1
    const close = Float64Array.from({ length: count }, (_, i) => 100 + Math.sin(i / 50))
    const high = close.map((value, i) => value + (i === 4_001 ? 50 : 1))
    const low = close.map((value, i) => value - (i === 17 ? 60 : 1))
    const candles = candlesOf({ times: timesOf(count), open: close, high, low, close })
    expect(candles.length).toBe(Math.ceil(count / 2))
    expect(Math.max(...candles.map((candle) => candle.high))).toBe(Math.max(...high))
    expect(Math.min(...candles.map((candle) => candle.low))).toBe(Math.min(...low))
    expect(candles.at(-1)?.close).toBe(close[count - 1])
    expect(candles[0]?.open).toBe(close[0])
  })

  it("know the drawdown from the highest value so far", () => {
    expect([...drawdownOf(Float64Array.of(100, 120, 90, 120, 130, 65))]).toEqual([0, 0, -0.25, 0, 0, -0.5])
  })

  it("put a mark on the candle that holds its time", () => {
    const candles = candlesOf({
      times: timesOf(4),
      open: timesOf(4),
      high: timesOf(4),
      low: timesOf(4),
      close: timesOf(4)
    })
    expect(candleAt(candles, 60_000)).toBe(60)
    expect(candleAt(candles, 60_001_000)).toBeUndefined()
    expect(candleAt(candles, 119_000)).toBe(120)
  })

  it("cannot end the script that they stand in", () => {
    const text = scriptJson({ name: "</script><script>alert(1)//\u2028" })
    expect(text).not.toMatch(/<|\u2028/)
    expect(JSON.parse(text)).toEqual({ name: "</script><script>alert(1)//\u2028" })
  })
})
