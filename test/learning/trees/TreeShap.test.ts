import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runThrough } from "../../../src/learning/steps.ts"
import { isGoingLeft, marginsOf, type TreeEnsemble } from "../../../src/learning/trees/TreeEnsemble.ts"
import { shapValues } from "../../../src/learning/trees/TreeShap.ts"
import { readXgboost } from "../../../src/learning/trees/XgboostFile.ts"
import { anyEnsemble, ensemble, type Grown } from "./forests.ts"
import { distance, models, valuesOf } from "./xgboostModels.ts"

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0)

/** What a tree is expected to say where only some features are known. */
const expectation = (
  trees: TreeEnsemble,
  node: number,
  row: Float64Array,
  known: ReadonlySet<number>
): number => {
  const [left, right] = [trees.left[node] as number, trees.right[node] as number]
  if (left < 0) return trees.value[node] as number
  const feature = trees.feature[node] as number
  if (known.has(feature)) {
    const next = isGoingLeft(trees, node, Math.fround(row[feature] as number)) ? left : right
    return expectation(trees, next, row, known)
  }
  const [a, b] = [trees.cover[left] as number, trees.cover[right] as number]
  return (a * expectation(trees, left, row, known) + b * expectation(trees, right, row, known)) / (a + b)
}

const permutations = (of: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  of.length === 0
    ? [[]]
    : of.flatMap((first) => permutations(of.filter((one) => one !== first)).map((rest) => [first, ...rest]))

/** By the definition: over all orders in which features become known. */
const byDefinition = (trees: TreeEnsemble, row: Float64Array): Float64Array => {
  const { features, outputs } = trees
  const values = new Float64Array(outputs * (features + 1))
  const add = (at: number, value: number) => {
    values[at] = (values[at] as number) + value
  }
  for (let k = 0; k < outputs; k++) add(k * (features + 1) + features, trees.baseMargins[k] as number)
  const orders = permutations(Array.from({ length: features }, (_, i) => i))
  for (const [tree, output] of trees.treeOutputs.entries()) {
    const root = trees.roots[tree] as number
    const from = output * (features + 1)
    add(from + features, expectation(trees, root, row, new Set()))
    for (const order of orders) {
      const known = new Set<number>()
      let before = expectation(trees, root, row, known)
      for (const feature of order) {
        known.add(feature)
        const after = expectation(trees, root, row, known)
        add(from + feature, (after - before) / orders.length)
        before = after
      }
    }
  }
  return values
}

describe("shapValues", () => {
  it.each(models.map((one) => [one.name, one] as const))("are those of XGBoost for %s", (_, one) => {
    const trees = Either.getOrThrow(readXgboost(one.json))
    const values = runThrough(shapValues(trees, valuesOf(one.expected.rows)))
    expect(distance(values, one.expected.contributions.flat(2) as Array<number>)).toBeLessThan(5e-6)
  })

  it("are what the definition says", () => {
    fc.assert(
      fc.property(anyEnsemble(4, 4, 4), ({ ensemble: trees, rows }) => {
        const row = rows.slice(0, 4)
        expect(distance(runThrough(shapValues(trees, row)), byDefinition(trees, row))).toBeLessThan(1e-10)
      }),
      { numRuns: 100 }
    )
  })

  it("sum to the margin", () => {
    fc.assert(
      fc.property(anyEnsemble(6, 7, 10), ({ ensemble: trees, rows }) => {
        const values = runThrough(shapValues(trees, rows))
        for (const [i, margin] of marginsOf(trees, rows).entries()) {
          expect(Math.abs(sumOf(values.subarray(7 * i, 7 * i + 7)) - margin)).toBeLessThan(1e-10)
        }
      }),
      { numRuns: 100 }
    )
  })

  it("sum to the margin on paths of a hundred features, where nothing is known of covers too", () => {
    const features = 100
    const chain = (depth: number, cover: (depth: number) => number): Grown =>
      depth === features
        ? { value: 5, cover: 1 }
        : {
            feature: depth,
            threshold: 0,
            left: { value: depth / 7, cover: cover(depth) },
            right: chain(depth + 1, cover)
          }
    for (const cover of [(depth: number) => 1 + (depth % 5), () => 0, () => 1e-6]) {
      const trees = ensemble([chain(0, cover)], { features })
      const row = Float64Array.from({ length: features }, (_, i) => (i % 37 === 36 ? -1 : 1))
      const values = runThrough(shapValues(trees, row))
      expect(values.every((value) => Number.isFinite(value))).toBe(true)
      expect(sumOf(values)).toBeCloseTo(marginsOf(trees, row)[0] as number, 9)
    }
  })

  it("are 0 for features that no split uses, and equal for features that do the same", () => {
    const both = (first: number, second: number): Grown => ({
      feature: first,
      threshold: 0,
      left: { value: 0 },
      right: { feature: second, threshold: 0, left: { value: 0 }, right: { value: 1 } }
    })
    const trees = ensemble([both(0, 2), both(2, 0)], { features: 3 })
    const [a, b, c] = runThrough(shapValues(trees, [1, 1, 1])) as unknown as [number, number, number]
    expect(b).toBe(0)
    expect(a).toBeCloseTo(c, 12)
    expect(a).toBeGreaterThan(0)
  })

  it("take a step for each row", () => {
    const trees = ensemble([{ value: 1 }], { features: 1 })
    expect([...shapValues(trees, [1, 2, 3])]).toHaveLength(3)
  })
})
