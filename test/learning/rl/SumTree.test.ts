import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makeSumTree } from "../../../src/learning/rl/SumTree.ts"

/** Whole numbers are added without rounding. */
const weights = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 70 })

const filled = (all: ReadonlyArray<number>) => {
  const tree = makeSumTree(all.length)
  all.forEach((weight, slot) => {
    tree.set(slot, weight)
  })
  return tree
}

describe("the sum tree", () => {
  it("finds what a search along the running sums finds", () => {
    fc.assert(
      fc.property(weights, fc.double({ min: 0, max: 0.999_999, noNaN: true }), (all, share) => {
        const total = all.reduce((sum, one) => sum + one, 0)
        const tree = filled(all)
        expect(tree.total()).toBe(total)
        if (total === 0) return
        const mass = share * total
        let passed = 0
        const expected = all.findIndex((weight) => {
          passed += weight
          return mass < passed
        })
        expect(tree.find(mass)).toBe(expected)
      })
    )
  })

  it("never finds a slot without weight, not even where rounding leaves a rest", () => {
    const some = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-9, max: 1e9, noNaN: true })), {
      minLength: 1,
      maxLength: 40
    })
    fc.assert(
      fc.property(some, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        fc.pre(all.some((weight) => weight > 0))
        const tree = filled(all)
        expect(all[tree.find(share * tree.total())]).toBeGreaterThan(0)
      })
    )
  })

  it("depends on the weights that are there, not on those that were", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(9), fc.double({ min: 0, max: 1e6, noNaN: true }))), (changes) => {
        const tree = makeSumTree(10)
        const last = new Array<number>(10).fill(0)
        for (const [slot, weight] of changes) {
          tree.set(slot, weight)
          last[slot] = weight
        }
        expect(tree.total()).toBe(filled(last).total())
        last.forEach((weight, slot) => {
          expect(tree.weight(slot)).toBe(weight)
        })
      })
    )
  })

  it("refuses slots and weights that make no sense", () => {
    const tree = makeSumTree(3)
    for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => tree.set(0, weight)).toThrow(RangeError)
    }
    expect(() => tree.set(3, 1)).toThrow("there is no slot 3 of 3")
    expect(() => makeSumTree(0)).toThrow(RangeError)
  })
})
