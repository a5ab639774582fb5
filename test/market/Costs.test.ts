import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { Costs, oneWay, priceImpact, roundTrip } from "../../src/market/Costs.ts"
import { settingsWith } from "../agents/settings.ts"

const basisPoints = fc.double({ min: 0, max: 10_000, noNaN: true })
const costs = fc.record({ feeBps: basisPoints, halfSpreadBps: basisPoints, slippageBps: basisPoints })

describe("costs", () => {
  it("are shares of the notional", () => {
    const some = { feeBps: 5, halfSpreadBps: 1, slippageBps: 2 }
    expect(priceImpact(some)).toBeCloseTo(0.0003, 15)
    expect(oneWay(some)).toBeCloseTo(0.0008, 15)
    expect(roundTrip(some)).toBeCloseTo(0.0016, 15)
  })

  it("are paid twice for going in and out, and never negative", () => {
    fc.assert(
      fc.property(costs, (some) => {
        expect(roundTrip(some)).toBe(2 * oneWay(some))
        expect(oneWay(some)).toBeGreaterThanOrEqual(priceImpact(some))
        expect(priceImpact(some)).toBeGreaterThanOrEqual(0)
      })
    )
  })

  it("are on unless they are configured away", () => {
    expect(roundTrip(settingsWith().costs)).toBeGreaterThan(0.001)
  })

  it("are refused when they are negative, beyond the whole, or no number", () => {
    const is = Schema.is(Costs)
    const fine = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }
    expect(is(fine)).toBe(true)
    for (const key of ["feeBps", "halfSpreadBps", "slippageBps"]) {
      for (const bad of [-1e-9, 10_001, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(is({ ...fine, [key]: bad })).toBe(false)
      }
    }
    const holding = { makerFeeBps: 1, fundingBps: -2.5, fundingEveryHours: 8, borrowBpsPerYear: 300 }
    expect(is({ ...fine, ...holding })).toBe(true)
    for (const bad of [
      { makerFeeBps: -1 },
      { fundingBps: Number.NaN },
      { fundingEveryHours: 0 },
      { borrowBpsPerYear: -1 }
    ])
      expect(is({ ...fine, ...bad })).toBe(false)
  })

  it("of holding are on unless they are configured away, and do not change what a trade costs", () => {
    expect(settingsWith().costs).toMatchObject({ fundingBps: 1, fundingEveryHours: 8, borrowBpsPerYear: 50 })
    const { costs } = settingsWith({ "costs.fundingBps": -1, "costs.borrowBpsPerYear": 0 })
    expect(costs).toMatchObject({ fundingBps: -1, borrowBpsPerYear: 0 })
    expect(roundTrip(costs)).toBe(roundTrip(settingsWith().costs))
  })
})
