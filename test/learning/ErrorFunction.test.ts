import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { erf, erfc } from "../../src/learning/ErrorFunction.ts"

/** To 16 digits, or 15, computed with 100 of them. */
const complements = [
  [0.1, 0.887537083981715],
  [0.5, 0.4795001221869535],
  [1, 0.1572992070502851],
  [2, 0.004677734981047265],
  [2.49, 0.0004292878677339129],
  [2.5, 0.000406952017444959],
  [3, 2.209049699858544e-5],
  [5, 1.537459794428035e-12],
  [10, 2.088487583762545e-45],
  [26, 5.663192408856143e-296]
] as const

describe("the error function", () => {
  it("has a complement that is right to its own size, far out, too", () => {
    for (const [x, value] of complements) {
      expect(Math.abs(erfc(x) / value - 1)).toBeLessThan(1e-11)
      expect(Math.abs(erf(x) - (1 - value))).toBeLessThan(1e-15)
    }
  })

  it("is odd, rises, and makes one with its complement", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -30, max: 30, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (x, more) => {
          expect(erf(-x)).toBe(-erf(x))
          expect(erf(x) + erfc(x)).toBeCloseTo(1, 14)
          expect(erf(x + more) - erf(x)).toBeGreaterThan(-1e-15)
        }
      )
    )
  })

  it("ends at one", () => {
    expect(erf(Number.POSITIVE_INFINITY)).toBe(1)
    expect(erfc(Number.NEGATIVE_INFINITY)).toBe(2)
    expect(erf(Number.NaN)).toBeNaN()
  })
})
