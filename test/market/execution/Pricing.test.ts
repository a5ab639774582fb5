import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { microPerTickLot, shareOfBps } from "../../../src/market/execution/Money.ts"
import {
  consideration,
  exactPerTickLot,
  feeOn,
  marketTicks,
  priceInTicks,
  ticksOf,
  valueOf
} from "../../../src/market/execution/Pricing.ts"

describe("prices in ticks", () => {
  const contract = { tick: 0.01, lot: 1 }

  it("are rounded against the account, and never below one", () => {
    expect(priceInTicks(contract, 1.234, "buy")).toBe(124)
    expect(priceInTicks(contract, 1.234, "sell")).toBe(123)
    expect(priceInTicks(contract, 1.23, "buy")).toBe(123)
    expect(priceInTicks(contract, 1.23, "sell")).toBe(123)
    expect(priceInTicks(contract, 1.236, "mark")).toBe(124)
    expect(priceInTicks(contract, 0.0001, "sell")).toBe(1)
  })

  it("are moved against a market order", () => {
    expect(marketTicks(contract, 100, 0.0002, "buy")).toBe(10_002)
    expect(marketTicks(contract, 100, 0.0002, "sell")).toBe(9_998)
    expect(marketTicks(contract, 100, 0, "buy")).toBe(10_000)
  })

  it("are compared as whole numbers where they lie on the grid, and as they are beside it", () => {
    expect(ticksOf({ tick: 0.1, lot: 1 }, 0.3)).toBe(3)
    expect(ticksOf({ tick: 1e-6, lot: 1 }, 67_123.456_789)).toBe(67_123_456_789)
    expect(ticksOf({ tick: 0.5, lot: 1 }, 1.25)).toBe(2.5)
  })
})

describe("values", () => {
  it("are exact, and rounded against the account where they do not divide", () => {
    const coarse = microPerTickLot({ tick: 0.01, lot: 0.001 })
    expect(consideration(coarse, 1_500, 2_000_000)).toBe(30_000_000_000)
    const fine = microPerTickLot({ tick: 1e-6, lot: 1e-6 })
    expect(consideration(fine, 1, 3)).toBe(1)
    expect(consideration(fine, -1, 3)).toBe(0)
    expect(valueOf(fine, 1, 3)).toBe(0)
    expect(valueOf(fine, -1, 3)).toBe(-1)
    expect(feeOn(1_000_000, shareOfBps(5))).toBe(500)
    expect(feeOn(-1, shareOfBps(5))).toBe(1)
  })

  it("of what is bought and sold at one price never come to a gain", () => {
    fc.assert(
      fc.property(
        fc.constantFrom({ tick: 0.01, lot: 1e-4 }, { tick: 1e-6, lot: 1e-6 }, { tick: 0.000_3, lot: 0.7 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 10_000_000 }),
        (contract, lots, ticks) => {
          const perTickLot = microPerTickLot(contract)
          expect(
            consideration(perTickLot, lots, ticks) + consideration(perTickLot, -lots, ticks)
          ).toBeGreaterThanOrEqual(0)
          expect(valueOf(perTickLot, lots, ticks) + consideration(perTickLot, -lots, ticks)).toBe(0)
          expect(valueOf(perTickLot, -lots, ticks) + consideration(perTickLot, lots, ticks)).toBe(0)
        }
      )
    )
  })

  it("beyond 2^53 are the largest amount there is, and no considerations", () => {
    const unit = microPerTickLot({ tick: 1, lot: 1 })
    expect(valueOf(unit, 10_000_000, 1_000_000)).toBe(Number.MAX_SAFE_INTEGER)
    expect(valueOf(unit, -10_000_000, 1_000_000)).toBe(-Number.MAX_SAFE_INTEGER)
    expect(consideration(unit, 10_000_000, 1_000_000)).toBeNaN()
    expect(consideration(unit, 1, Number.POSITIVE_INFINITY)).toBeNaN()
    expect(feeOn(Number.NaN, shareOfBps(5))).toBeNaN()
    expect(valueOf(unit, 1, Number.POSITIVE_INFINITY)).toBe(Number.MAX_SAFE_INTEGER)
    expect(valueOf(unit, 0, 100)).toBe(0)
  })

  it("have none in steps of too many digits", () => {
    expect(exactPerTickLot({ tick: 1e-12, lot: 1e-12 })).toBeNull()
    expect(exactPerTickLot({ tick: 0.01, lot: 1e-4 })).toEqual({ numerator: 1, denominator: 1 })
  })
})
