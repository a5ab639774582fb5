import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  classesOf,
  leafIndices,
  marginsOf,
  probabilitiesOf,
  treesOf
} from "../../../src/learning/trees/TreeEnsemble.ts"
import { anyEnsemble, ensemble, type Grown } from "./forests.ts"

const stump = (threshold: number, missingGoesLeft = false): Grown => ({
  feature: 0,
  threshold,
  missingGoesLeft,
  left: { value: -1 },
  right: { value: 1 }
})

describe("TreeEnsemble", () => {
  it("sends rows left below the threshold only, and the missing where the split says", () => {
    const trees = ensemble([stump(0.5), stump(0.5, true)], { features: 1 })
    const leaves = leafIndices(trees, [0.4, 0.5, 0.6, Number.NaN, -Infinity, Infinity])
    expect([...leaves]).toEqual([1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2])
  })

  it("compares in float32", () => {
    // 0.1 is above the float32 nearest to it in float64, and equal to it in float32.
    const threshold = Math.fround(0.1)
    expect(0.1 < threshold).toBe(true)
    expect(leafIndices(ensemble([stump(threshold)], { features: 1 }), [0.1])[0]).toBe(2)
  })

  it("adds each tree to its margin, and the base margins", () => {
    const trees = ensemble([{ value: 1 }, { value: 2 }, { value: 4 }, { value: 8 }], {
      features: 1,
      link: "softmax",
      baseMargins: [0.5, -0.5]
    })
    expect([...marginsOf(trees, [0, 0])]).toEqual([5.5, 9.5, 5.5, 9.5])
    expect([treesOf(trees), classesOf(trees)]).toEqual([4, 2])
  })

  it("gives distributions whatever the margins", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: -1e300, max: 1e300 }), { minLength: 3, maxLength: 3 }),
        (margins) => {
          for (const link of ["logistic", "softmax"] as const) {
            const trees = ensemble([{ value: 0 }], {
              features: 1,
              link,
              baseMargins: link === "softmax" ? [0, 0, 0] : [0]
            })
            const classes = classesOf(trees)
            const probabilities = probabilitiesOf(trees, Float64Array.from(margins))
            for (let i = 0; i < probabilities.length; i += classes) {
              const row = probabilities.subarray(i, i + classes)
              expect(row.every((p) => p >= 0 && p <= 1)).toBe(true)
              expect(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1)).toBeLessThan(1e-12)
            }
          }
        }
      )
    )
  })

  it("says the same of a row whoever stands beside it", () => {
    fc.assert(
      fc.property(anyEnsemble(3, 3), ({ ensemble: trees, rows }) => {
        const all = marginsOf(trees, rows)
        for (let i = 0; i < rows.length / 3; i++) {
          const alone = marginsOf(trees, rows.slice(3 * i, 3 * i + 3))
          expect([...alone]).toEqual([...all.slice(i * trees.outputs, (i + 1) * trees.outputs)])
        }
      })
    )
  })

  it("throws where it is asked for what it has not", () => {
    const trees = ensemble([stump(0)], { features: 2 })
    expect(() => marginsOf(trees, [1, 2, 3])).toThrow("3 values are no rows of 2 features")
    expect(() => probabilitiesOf(trees, Float64Array.of(1))).toThrow("a regression has no probabilities")
  })
})
