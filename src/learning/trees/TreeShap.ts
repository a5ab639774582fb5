/**
 * SHAP values of trees, path-dependent (Lundberg et al., From local explanations to global understanding with
 * explainable AI for trees, 2020): what each feature adds to a row's margin, on average over all orders in which
 * features could become known. A feature that is not known goes both ways at its splits, in the proportion of covers.
 *
 * At a leaf only the features on its path matter. With z the share of cover that takes the leaf's side of a feature's
 * splits, and o whether the row does, the Shapley value of a feature i of the path is
 *
 *   value * (o_i - z_i) * integral from 0 to 1 of the product over j != i of (o_j t + z_j (1 - t)) dt,
 *
 * since the integral of t^k (1 - t)^(d - 1 - k) is the Shapley weight of k known among d - 1 others. The integrand is
 * a polynomial, which Gauss-Legendre quadrature with half as many points as features integrates exactly. All terms
 * are products of numbers in [0, 1] and none is undone by a division: that keeps precision where paths are long.
 *
 * What can go wrong: rows that are not of the ensemble's features throw TreesMisused.
 * Invariant: a row's values, the base value included, sum to its margin (up to float64 rounding).
 */
import type { Steps } from "../steps.ts"
import { copyRow, countRows, isGoingLeft, type Rows, type TreeEnsemble, treesOf } from "./TreeEnsemble.ts"

/** [rows, outputs, features + 1]; behind the features stands the base value, which no row changes. */
export function* shapValues(ensemble: TreeEnsemble, rows: Rows): Steps<Float64Array> {
  const count = countRows(ensemble, rows)
  const { outputs, features, roots, treeOutputs } = ensemble
  const width = features + 1
  const values = new Float64Array(count * outputs * width)
  const row = new Float32Array(features)
  const explain = makeExplain(ensemble)
  for (let i = 0; i < count; i++) {
    copyRow(rows, i, row)
    for (let output = 0; output < outputs; output++) {
      values[(i * outputs + output) * width + features] = ensemble.baseMargins[output] as number
    }
    for (let tree = 0; tree < treesOf(ensemble); tree++) {
      const from = (i * outputs + (treeOutputs[tree] as number)) * width
      explain(roots[tree] as number, row, values.subarray(from, from + width))
    }
    yield
  }
  return values
}

/** A feature of the path from the root to where the walk is. */
interface OnPath {
  readonly feature: number
  /** Share of cover that goes this way at all its splits. */
  zero: number
  /** 1 where the row goes this way at all its splits, else 0. */
  one: number
}

const makeExplain = (ensemble: TreeEnsemble) => {
  const { left, right, feature, cover, value } = ensemble
  const rules = makeRules()
  const path: Array<OnPath> = []

  const addLeaf = (leaf: number, values: Float64Array): void => {
    const gain = value[leaf] as number
    const known = path.length
    let unknown = gain
    for (const { zero } of path) unknown *= zero
    values[values.length - 1] = (values.at(-1) as number) + unknown
    const { points, weights } = rules(Math.ceil(known / 2))
    const integrals = new Float64Array(known)
    const before = new Float64Array(known)
    for (let q = 0; q < points.length; q++) {
      const t = points[q] as number
      const factorOf = ({ zero, one }: OnPath) => one * t + zero * (1 - t)
      // The product of all factors but one: of those before it and of those after it.
      let product = weights[q] as number
      for (let j = 0; j < known; j++) {
        before[j] = product
        product *= factorOf(path[j] as OnPath)
      }
      product = 1
      for (let j = known - 1; j >= 0; j--) {
        integrals[j] = (integrals[j] as number) + (before[j] as number) * product
        product *= factorOf(path[j] as OnPath)
      }
    }
    for (const [j, { feature: of, zero, one }] of path.entries()) {
      values[of] = (values[of] as number) + gain * (one - zero) * (integrals[j] as number)
    }
  }

  const walk = (node: number, row: Float32Array, values: Float64Array): void => {
    const children = [left[node] as number, right[node] as number]
    if (children[0] === -1) {
      addLeaf(node, values)
      return
    }
    const of = feature[node] as number
    const taken = isGoingLeft(ensemble, node, row[of] as number) ? 0 : 1
    const total = children.reduce((sum, child) => sum + (cover[child] as number), 0)
    const found = path.find((one) => one.feature === of)
    const on = found ?? { feature: of, zero: 1, one: 1 }
    if (found === undefined) path.push(on)
    const { zero, one } = on
    for (const [side, child] of children.entries()) {
      // Where nothing is known of the covers, both ways are as likely.
      on.zero = zero * (total > 0 ? (cover[child] as number) / total : 0.5)
      on.one = side === taken ? one : 0
      walk(child, row, values)
    }
    on.zero = zero
    on.one = one
    if (found === undefined) path.pop()
  }
  return walk
}

interface Quadrature {
  readonly points: Float64Array
  readonly weights: Float64Array
}

/** Gauss-Legendre rules on [0, 1] by their number of points, each made once. */
const makeRules = () => {
  const made = new Map<number, Quadrature>()
  return (points: number): Quadrature => {
    const found = made.get(points) ?? gaussLegendre(points)
    made.set(points, found)
    return found
  }
}

/** Exact for polynomials of degree 2 n - 1. Roots of the Legendre polynomial by Newton's method. */
const gaussLegendre = (n: number): Quadrature => {
  const points = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let iteration = 0; iteration < newtonIterations; iteration++) {
      let p = 1
      let previous = 0
      for (let k = 1; k <= n; k++) {
        const next = ((2 * k - 1) * x * p - (k - 1) * previous) / k
        previous = p
        p = next
      }
      slope = (n * (x * p - previous)) / (x * x - 1)
      x -= p / slope
    }
    points[i] = (1 + x) / 2
    weights[i] = 1 / ((1 - x * x) * slope * slope)
  }
  return { points, weights }
}

/** From this first guess, three suffice for float64. */
const newtonIterations = 6
