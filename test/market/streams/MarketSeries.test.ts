import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  emptyMarket,
  observationsMax,
  observe,
  observedAt
} from "../../../src/market/streams/MarketSeries.ts"

describe("the market as one series", () => {
  it("is the mean return of each as-of, and the root of the weighted mean of squares", () => {
    const market = emptyMarket()
    observe(market, 1, [0.01, 0.03])
    observe(market, 2, [-0.02])
    expect(market.returns).toEqual([0.02, -0.02])
    expect(market.logVolatilities[0]).toBeCloseTo(Math.log(Math.sqrt((0.0001 + 0.0009) / 2)), 12)
    expect(market.logVolatilities[1]).toBeCloseTo(Math.log(Math.sqrt((0.0005 + 0.0004) / 2)), 12)
  })

  it("takes what became known together, nothing earlier, and nothing without returns", () => {
    const market = emptyMarket()
    observe(market, 5, [0.01])
    observe(market, 5, [0.5])
    observe(market, 4, [0.5])
    observe(market, 6, [])
    expect(market.asOfs).toEqual([5, 5])
    expect(market.count).toBe(2)
  })

  it("has a finite volatility where nothing moves", () => {
    const market = emptyMarket()
    for (let i = 0; i < 10; i++) observe(market, i, [0])
    expect(market.logVolatilities.every(Number.isFinite)).toBe(true)
  })

  it("is bounded, and counts on", () => {
    const market = emptyMarket()
    for (let i = 0; i < 3 * observationsMax; i++) observe(market, i, [0.001])
    expect(market.asOfs.length).toBeLessThan(1.5 * observationsMax)
    expect(market.asOfs.length).toBeGreaterThanOrEqual(observationsMax)
    expect(market.count).toBe(3 * observationsMax)
    expect(market.asOfs.at(-1)).toBe(3 * observationsMax - 1)
  })

  it("that was cut off at an as-of is what the whole shows at it", () => {
    const returns = fc.array(fc.double({ min: -0.1, max: 0.1, noNaN: true }), { minLength: 1, maxLength: 80 })
    fc.assert(
      fc.property(returns, fc.nat(90), (all, asOf) => {
        const of = (some: ReadonlyArray<number>) => {
          const market = emptyMarket()
          for (const [i, one] of some.entries()) observe(market, i, [one])
          return market
        }
        expect(observedAt(of(all), asOf)).toEqual(observedAt(of(all.slice(0, asOf + 1)), 1_000))
      })
    )
  })
})
