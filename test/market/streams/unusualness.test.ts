import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { selfNormalised, unusualness } from "../../../src/market/streams/unusualness.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

describe("unusualness", () => {
  it("lies in [0, 1], the same on both sides, and rises with the deviation", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), fc.double({ noNaN: true }), (a, b) => {
        const [near, far] = Math.abs(a) < Math.abs(b) ? [a, b] : [b, a]
        expect(unusualness(near)).toBeLessThanOrEqual(unusualness(far))
        expect(unusualness(-near)).toBe(unusualness(near))
        expect(unusualness(near)).toBeGreaterThanOrEqual(0)
        expect(unusualness(far)).toBeLessThanOrEqual(1)
      })
    )
    expect(unusualness(0)).toBe(0)
    expect(unusualness(1)).toBeCloseTo(0.393, 3)
  })
})

describe("the self-normalised sum", () => {
  it("lies within the root of the number of steps, which steps of one size reach", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { maxLength: 30 }), (steps) => {
        expect(Math.abs(selfNormalised(steps))).toBeLessThanOrEqual(Math.sqrt(steps.length) + 1e-9)
      })
    )
    expect(selfNormalised([0.3, 0.3, 0.3, 0.3])).toBeCloseTo(2, 12)
    expect(selfNormalised([2.7e-162, 0])).toBe(1)
    expect(selfNormalised([0, 0])).toBe(0)
    expect(selfNormalised([])).toBe(0)
  })

  it("of independent steps has a mean of 0 and a deviation of 1", () => {
    const random = keyedRandom("self-normalised")
    const sums = Array.from({ length: 4_000 }, () =>
      selfNormalised(Array.from({ length: 24 }, () => random.studentT(4)))
    )
    const mean = sums.reduce((sum, value) => sum + value, 0) / sums.length
    const square = sums.reduce((sum, value) => sum + value ** 2, 0) / sums.length
    expect(Math.abs(mean)).toBeLessThan(0.06)
    expect(square).toBeCloseTo(1, 1)
  })
})
