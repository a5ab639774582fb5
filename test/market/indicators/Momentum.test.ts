import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  momentum,
  movingAverageConvergence,
  rateOfChange,
  relativeStrengthIndex
} from "../../../src/market/indicators/Momentum.ts"
import { exponentialMovingAverage } from "../../../src/market/indicators/MovingAverages.ts"
import { mean, prices } from "./walks.ts"

describe("momentum and rate of change", () => {
  it("set the price against the one a period before", () => {
    fc.assert(
      fc.property(prices(0, 40), fc.integer({ min: 1, max: 8 }), (values, period) => {
        const difference = momentum(period)
        const percent = rateOfChange(period)
        for (const [bar, value] of values.entries()) {
          const before = values[bar - period] ?? Number.NaN
          expect(difference(value)).toBe(value - before)
          const change = percent(value)
          if (Number.isNaN(before)) expect(change).toBeNaN()
          else expect(change).toBeCloseTo((100 * (value - before)) / before, 10)
        }
      })
    )
  })

  it("have no rate against a price of 0", () => {
    const percent = rateOfChange(1)
    expect([0, 5].map(percent)).toEqual([Number.NaN, 0])
  })
})

describe("the relative strength index", () => {
  it("is what was gained over what was gained and lost, at first by plain means and then by Wilder's", () => {
    const closes = [10, 12, 11, 15, 14]
    const next = relativeStrengthIndex(3)
    // Gains 2, 0, 4 and losses 0, 1, 0; then neither gain nor 1 lost.
    const [gain, loss] = [2, 1 / 3]
    const then = [(gain * 2) / 3, (loss * 2 + 1) / 3] as const
    const found = closes.map(next)
    expect(found.slice(0, 3)).toEqual([Number.NaN, Number.NaN, Number.NaN])
    expect(found[3]).toBeCloseTo((100 * gain) / (gain + loss), 12)
    expect(found[4]).toBeCloseTo((100 * then[0]) / (then[0] + then[1]), 12)
  })

  it("goes from 0 to 100: all lost, all gained, and 0 where nothing moves", () => {
    const last = (values: ReadonlyArray<number>) => values.map(relativeStrengthIndex(3)).at(-1)
    expect(last([5, 4, 3, 2, 1])).toBe(0)
    expect(last([1, 2, 3, 4, 5])).toBe(100)
    expect(last([3, 3, 3, 3, 3])).toBe(0)
  })

  it("adds up to 100 with that of the prices turned upside down, where something moves", () => {
    fc.assert(
      fc.property(prices(6, 40), (values) => {
        fc.pre(new Set(values.slice(0, 6)).size > 1)
        const upright = relativeStrengthIndex(5)
        const turned = relativeStrengthIndex(5)
        for (const value of values) {
          const sum = upright(value) + turned(200 - value)
          if (!Number.isNaN(sum)) expect(sum).toBeCloseTo(100, 9)
        }
      })
    )
  })
})

describe("the convergence of moving averages", () => {
  const [fast, slow, signal] = [3, 6, 4] as const

  it("is the fast less the slow average, both begun at the same bar, and its own average beside it", () => {
    fc.assert(
      fc.property(prices(0, 40), (values) => {
        const next = movingAverageConvergence(fast, slow, signal)
        const slowly = exponentialMovingAverage(slow)
        const averages = values.map((value) => slowly(value))
        const quick = exponentialMovingAverage(fast)
        const quickly = [
          ...values.slice(0, slow - fast).fill(Number.NaN),
          ...values.slice(slow - fast).map(quick)
        ]
        const lines = values.map((_, i) => (quickly[i] as number) - (averages[i] as number))
        const smoothed = exponentialMovingAverage(signal)
        const signals = [...lines.slice(0, slow - 1), ...lines.slice(slow - 1).map(smoothed)]
        for (const [bar, value] of values.entries()) {
          const found = next(value)
          if (bar < slow + signal - 2) {
            expect(Object.values(found)).toEqual([Number.NaN, Number.NaN, Number.NaN])
            continue
          }
          expect(found.macd).toBe(lines[bar])
          expect(found.signal).toBe(signals[bar])
          expect(found.histogram).toBe(found.macd - found.signal)
        }
      })
    )
  })

  it("begins with the means of the windows that end where the slow one is full", () => {
    const values = [5, 1, 4, 8, 2, 7]
    const first = movingAverageConvergence(fast, slow, 1)
    expect(values.map(first).at(-1)?.macd).toBeCloseTo(mean(values.slice(3)) - mean(values), 12)
  })

  it("wants the slow period not to be the shorter one", () => {
    expect(() => movingAverageConvergence(26, 12, 9)).toThrow(
      /A period of 12 bars is none: whole numbers from 26/
    )
  })
})
