import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { giniOf, groupDispersion } from "../../../src/market/features/crossSection.ts"

const amounts = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 12 })

describe("the Gini coefficient", () => {
  it("is half the relative mean difference of all pairs", () => {
    fc.assert(
      fc.property(amounts, (all) => {
        const total = all.reduce((sum, one) => sum + one, 0)
        const found = giniOf(Float64Array.from(all))
        if (total === 0) {
          expect(found).toBe("undefined")
          return
        }
        const differences = all.flatMap((a) => all.map((b) => Math.abs(a - b)))
        const expected = differences.reduce((sum, one) => sum + one, 0) / (2 * all.length * total)
        expect(found).toBeCloseTo(expected, 12)
      })
    )
  })

  it("is 0 where all are equal and 1 - 1/n where one has everything", () => {
    expect(giniOf(Float64Array.of(7, 7, 7))).toBeCloseTo(0, 15)
    expect(giniOf(Float64Array.of(0, 0, 0, 9))).toBeCloseTo(0.75, 15)
    expect(giniOf(Float64Array.of(0, Number.NaN, 9))).toBeCloseTo(0.5, 15)
  })
})

describe("the dispersion of groups", () => {
  it("is the population deviation of their means, each group once", () => {
    expect(groupDispersion([1, 3, 10, Number.NaN], [0, 0, 1, 2], 3)).toBeCloseTo(4, 12)
    expect(groupDispersion([1, 2], [0, 0], 1)).toBe("undefined")
  })
})
