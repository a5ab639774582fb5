import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  exponentialMovingAverage,
  simpleMovingAverage,
  weightedMovingAverage,
  wilderAverage,
  wilderSum
} from "../../../src/market/indicators/MovingAverages.ts"
import { mean, prices, window } from "./walks.ts"

const period = fc.integer({ min: 1, max: 12 })

/** A stream against its definition at every bar: NaN before `period` values are there. */
const agrees = (
  make: (period: number) => (value: number) => number,
  definition: (values: ReadonlyArray<number>, bar: number, period: number) => number
) => {
  fc.assert(
    fc.property(prices(0, 60), period, (values, bars) => {
      const next = make(bars)
      for (const [bar, value] of values.entries()) {
        const average = next(value)
        if (bar < bars - 1) expect(average).toBeNaN()
        else expect(average).toBeCloseTo(definition(values, bar, bars), 10)
      }
    })
  )
}

/** From the mean of the first values on, `share` of the way to each value after them. */
const exponential =
  (shareOf: (period: number) => number) => (values: ReadonlyArray<number>, bar: number, bars: number) =>
    values
      .slice(bars, bar + 1)
      .reduce(
        (average, value) => average * (1 - shareOf(bars)) + value * shareOf(bars),
        mean(values.slice(0, bars))
      )

describe("the moving averages", () => {
  it("are the mean of a window", () => {
    agrees(simpleMovingAverage, (values, bar, bars) => mean(window(values, bar, bars)))
  })

  it("weigh a window by age", () => {
    agrees(weightedMovingAverage, (values, bar, bars) => {
      const weighted = window(values, bar, bars).flatMap((value, i) => Array<number>(i + 1).fill(value))
      return mean(weighted)
    })
  })

  it("go a share of 2 / (period + 1) of the way to each value", () => {
    agrees(
      exponentialMovingAverage,
      exponential((bars) => 2 / (bars + 1))
    )
  })

  it("go, where they are Wilder's, a period-th of the way", () => {
    agrees(
      wilderAverage,
      exponential((bars) => 1 / bars)
    )
  })

  it("keep Wilder's running sum, which loses a period-th of itself with each value", () => {
    const next = wilderSum(4)
    const sums = [4, 8, 12, 16, 20].map(next)
    expect(sums).toEqual([Number.NaN, Number.NaN, Number.NaN, 24 - 6 + 16, 34 - 8.5 + 20])
  })

  it("refuse periods that are none", () => {
    for (const make of [
      simpleMovingAverage,
      exponentialMovingAverage,
      weightedMovingAverage,
      wilderAverage,
      wilderSum
    ]) {
      expect(() => make(0)).toThrow(/A period of 0 bars is none/)
    }
  })
})
