import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { bollingerBands, standardDeviation } from "../../../src/market/indicators/Deviation.ts"
import { mean, prices, window } from "./walks.ts"

const deviationOf = (values: ReadonlyArray<number>): number =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)))

describe("the standard deviation", () => {
  it("is that of the window, by its number and not one less", () => {
    fc.assert(
      fc.property(prices(0, 60), fc.integer({ min: 2, max: 12 }), (values, period) => {
        const next = standardDeviation(period)
        for (const [bar, value] of values.entries()) {
          const deviation = next(value)
          if (bar < period - 1) expect(deviation).toBeNaN()
          // Of a price of 100 the running sums keep about 1e-12 of the variance.
          else expect(deviation).toBeCloseTo(deviationOf(window(values, bar, period)), 5)
        }
      })
    )
  })

  it("is 0 where nothing moves, whatever the price", () => {
    for (const price of [0, 1e-8, 0.3, 1, 250]) {
      const next = standardDeviation(4)
      expect(Array.from({ length: 6 }, () => next(price)).slice(3)).toEqual([0, 0, 0])
    }
  })

  it("is there for coins of tiny price as for others", () => {
    const next = standardDeviation(2)
    next(1e-8)
    expect(next(3e-8) * 1e8).toBeCloseTo(1, 6)
  })

  it("takes two values at least", () => {
    expect(() => standardDeviation(1)).toThrow(/A period of 1 bars is none/)
  })
})

describe("Bollinger's bands", () => {
  it("lie deviations above and below the mean", () => {
    fc.assert(
      fc.property(
        prices(0, 40),
        fc.integer({ min: 2, max: 8 }),
        fc.constantFrom(1, 2, 2.5),
        (values, period, k) => {
          const next = bollingerBands(period, k)
          const deviation = standardDeviation(period)
          for (const [bar, value] of values.entries()) {
            const { lower, middle, upper } = next(value)
            const width = k * deviation(value)
            if (bar < period - 1) {
              expect([lower, middle, upper]).toEqual([Number.NaN, Number.NaN, Number.NaN])
              continue
            }
            expect(middle).toBeCloseTo(mean(window(values, bar, period)), 10)
            expect(upper - middle).toBeCloseTo(width, 10)
            expect(middle - lower).toBeCloseTo(width, 10)
          }
        }
      )
    )
  })
})
