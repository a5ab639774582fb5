import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { buyAndHold, movingAverageCrossing } from "../../../src/market/performance/baselines.ts"

const closes = fc
  .array(fc.integer({ min: 1, max: 1_000 }), { maxLength: 60 })
  .map((prices) => Float64Array.from(prices, (price) => price / 8))

const rules = fc.record({
  fast: fc.integer({ min: 1, max: 5 }),
  slow: fc.integer({ min: 6, max: 12 }),
  below: fc.constantFrom(0 as const, -1 as const)
})

const averageOf = (values: Float64Array, bars: number) =>
  values.slice(-bars).reduce((a, b) => a + b, 0) / bars

describe("movingAverageCrossing", () => {
  it("is long while the fast average is above the slow one", () => {
    fc.assert(
      fc.property(closes, rules, (prices, rule) => {
        const targets = movingAverageCrossing(prices, rule)
        expect(targets.length).toBe(prices.length)
        for (const [bar, target] of targets.entries()) {
          const past = prices.slice(0, bar + 1)
          const difference = averageOf(past, rule.fast) - averageOf(past, rule.slow)
          const expected =
            past.length < rule.slow || Math.abs(difference) < 1e-7 ? 0 : difference > 0 ? 1 : rule.below
          expect(target === expected).toBe(true)
        }
      })
    )
  })

  it("does not look ahead: a history cut off gives the same targets up to there", () => {
    fc.assert(
      fc.property(closes, rules, fc.nat(60), (prices, rule, cut) => {
        const whole = movingAverageCrossing(prices, rule)
        expect(movingAverageCrossing(prices.slice(0, cut), rule)).toEqual(whole.slice(0, cut))
      })
    )
  })

  it("crosses a day and a week of hours unless said otherwise, and waits until the week is there", () => {
    const rising = Float64Array.from({ length: 200 }, (_, i) => 100 + i)
    const targets = movingAverageCrossing(rising)
    expect(targets.indexOf(1)).toBe(167)
    expect(targets.slice(167).every((target) => target === 1)).toBe(true)
    expect(movingAverageCrossing(rising.slice().reverse()).every((target) => target === 0)).toBe(true)
    const short = { fast: 24, slow: 168, below: -1 } as const
    expect(movingAverageCrossing(rising.slice().reverse(), short).at(-1)).toBe(-1)
  })

  it("holds nothing where the price stays, whatever its sums round to", () => {
    const still = new Float64Array(2_000).fill(0.1)
    expect(
      movingAverageCrossing(still, { fast: 7, slow: 33, below: -1 }).every((target) => target === 0)
    ).toBe(true)
  })

  it("refuses averages that cannot cross", () => {
    expect(() => movingAverageCrossing(new Float64Array(9), { fast: 5, slow: 5, below: 0 })).toThrow(
      RangeError
    )
    expect(() => movingAverageCrossing(new Float64Array(9), { fast: 0, slow: 5, below: 0 })).toThrow("0")
  })
})

describe("buyAndHold", () => {
  it("holds everything from the first bar on", () => {
    expect([...buyAndHold(3)]).toEqual([1, 1, 1])
  })
})
