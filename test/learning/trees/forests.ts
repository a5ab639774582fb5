/** Ensembles at random, and trees written by hand. */
import fc from "fast-check"
import {
  joinTrees,
  type Link,
  type TreeEnsemble,
  type TreeNodes
} from "../../../src/learning/trees/TreeEnsemble.ts"

/** A split with its children, or the value of a leaf. */
export type Grown =
  | { readonly value: number; readonly cover?: number }
  | {
      readonly feature: number
      readonly threshold: number
      readonly missingGoesLeft?: boolean
      readonly left: Grown
      readonly right: Grown
    }

/** Parents before children; covers add up, a leaf's is 1 unless it says otherwise. */
export const tree = (root: Grown): TreeNodes => {
  const left: Array<number> = []
  const right: Array<number> = []
  const feature: Array<number> = []
  const threshold: Array<number> = []
  const defaultLeft: Array<number> = []
  const value: Array<number> = []
  const cover: Array<number> = []
  const add = (grown: Grown): number => {
    const node = left.push(-1) - 1
    right.push(-1)
    for (const zero of [feature, threshold, defaultLeft, value, cover]) zero.push(0)
    if ("value" in grown) {
      value[node] = grown.value
      cover[node] = grown.cover ?? 1
      return node
    }
    feature[node] = grown.feature
    threshold[node] = grown.threshold
    defaultLeft[node] = grown.missingGoesLeft === true ? 1 : 0
    left[node] = add(grown.left)
    right[node] = add(grown.right)
    cover[node] = (cover[left[node]] as number) + (cover[right[node]] as number)
    return node
  }
  add(root)
  return {
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    feature: Int32Array.from(feature),
    threshold: Float32Array.from(threshold),
    defaultLeft: Uint8Array.from(defaultLeft),
    value: Float32Array.from(value),
    cover: Float32Array.from(cover),
    gain: new Float32Array(left.length)
  }
}

export const ensemble = (
  trees: ReadonlyArray<Grown>,
  given: { readonly features: number; readonly link?: Link; readonly baseMargins?: ReadonlyArray<number> }
): TreeEnsemble => {
  const baseMargins = Float32Array.from(given.baseMargins ?? [0])
  return {
    link: given.link ?? "identity",
    features: given.features,
    featureNames: [],
    outputs: baseMargins.length,
    baseMargins,
    treeOutputs: Int32Array.from(trees, (_, i) => i % baseMargins.length),
    ...joinTrees(trees.map(tree))
  }
}

/** Few distinct values, so that thresholds are met exactly. */
export const anyValue = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -4, max: 4 }).map((value) => value / 2) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, 0.1, -0, 1e-40, 3e38, -3e38) }
)

const anyThreshold = fc.oneof(
  fc.integer({ min: -4, max: 4 }).map((value) => value / 2),
  fc.constantFrom(0.1, 1e-40)
)

export const anyGrown = (features: number, depth: number): fc.Arbitrary<Grown> => {
  const leaf = fc.record({
    value: fc.integer({ min: -100, max: 100 }).map((value) => value / 10),
    cover: fc.integer({ min: 1, max: 20 })
  })
  if (depth === 0) return leaf
  const below = anyGrown(features, depth - 1)
  return fc.oneof(
    { weight: 1, arbitrary: leaf },
    {
      weight: 4,
      arbitrary: fc.record({
        feature: fc.nat(features - 1),
        threshold: anyThreshold,
        missingGoesLeft: fc.boolean(),
        left: below,
        right: below
      })
    }
  )
}

/** An ensemble and some rows for it. */
export const anyEnsemble = (features: number, depth: number, treesMax = 6) =>
  fc.constantFrom<[Link, number]>(["identity", 1], ["logistic", 1], ["softmax", 3]).chain(([link, outputs]) =>
    fc.record({
      ensemble: fc
        .tuple(
          fc.array(anyGrown(features, depth), { minLength: outputs, maxLength: treesMax }),
          fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: outputs, maxLength: outputs })
        )
        .map(([trees, baseMargins]) => ensemble(trees, { features, link, baseMargins })),
      rows: fc
        .array(fc.array(anyValue, { minLength: features, maxLength: features }), {
          minLength: 1,
          maxLength: 8
        })
        .map((rows) => Float64Array.from(rows.flat()))
    })
  )
