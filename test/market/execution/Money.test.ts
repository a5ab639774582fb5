import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { fraction, microPerTickLot, shareOfBps, times } from "../../../src/market/execution/Money.ts"

const whole = fc.oneof(
  fc.integer({ min: 0, max: 1_000_000 }),
  fc.maxSafeInteger().map((value) => Math.abs(value))
)

describe("money", () => {
  it("is multiplied as big integers are, whichever way it is computed", () => {
    fc.assert(
      fc.property(
        whole,
        whole,
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.constantFrom("up" as const, "down" as const),
        (amount, other, numerator, denominator, rounding) => {
          const product = BigInt(amount) * BigInt(other) * BigInt(numerator)
          const divisor = BigInt(denominator)
          const exact = product / divisor + (rounding === "up" && product % divisor !== 0n ? 1n : 0n)
          const result = times(amount, other, { numerator, denominator }, rounding)
          if (exact <= BigInt(Number.MAX_SAFE_INTEGER)) expect(result).toBe(Number(exact))
          else expect(result).toBeNaN()
        }
      ),
      { numRuns: 2_000 }
    )
  })

  it("takes a number for the decimal that it is written as, in lowest terms", () => {
    expect(fraction(0.1)).toEqual({ numerator: 1, denominator: 10 })
    expect(fraction(0)).toEqual({ numerator: 0, denominator: 1 })
    expect(fraction(1e-7)).toEqual({ numerator: 1, denominator: 10_000_000 })
    expect(fraction(2.5e8)).toEqual({ numerator: 250_000_000, denominator: 1 })
    expect(shareOfBps(2.5)).toEqual({ numerator: 1, denominator: 4_000 })
    expect(shareOfBps(12.345_678_499)).toEqual(shareOfBps(12.345_678))
    expect(shareOfBps(1e-7)).toEqual({ numerator: 0, denominator: 1 })
    expect(microPerTickLot({ tick: 0.01, lot: 0.000_1 })).toEqual({ numerator: 1, denominator: 1 })
    expect(microPerTickLot({ tick: 0.01, lot: 1e-8 })).toEqual({ numerator: 1, denominator: 10_000 })
    expect(microPerTickLot({ tick: 0.000_3, lot: 0.7 })).toEqual({ numerator: 210, denominator: 1 })
  })

  it("refuses what is no amount", () => {
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(() => fraction(value)).toThrow(RangeError)
    }
    expect(() => fraction(1e300)).toThrow(RangeError)
  })
})
