/**
 * How many different ideas there are among trials, by what their returns have in common: the effective number of trials.
 *
 * What can go wrong: returns that are not finite (RowRefused). More trials than can be put in clusters, or a correlation
 * that is none, throws EvaluationInvalid.
 * Invariants: any two trials of a cluster correlate by the least correlation or more; every trial is in one cluster.
 */
import { Either } from "effect"
import type { RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { checkCount, refuseNumbers } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"
import { mean } from "./Scoring.ts"

/** Two trials that share at least half of their variance are the same idea. */
export const correlationMinDefault = Math.SQRT1_2

/** The time grows with their third power. */
export const clusteredTrialsMax = 500

export interface TrialClusters {
  /** The effective number of trials. */
  readonly clusters: number
  /** Of each trial its cluster, from 0 in the order of their first trials. */
  readonly clusterOf: Uint32Array
}

/**
 * By complete linkage: the two clusters whose
 * least similar members are the most similar become one, as long as these are similar enough. A trial whose returns do
 * not vary correlates with none.
 *
 * @param returns [bars, trials], row-major
 */
export function* trialClusters(
  returns: Float64Array,
  options: { readonly trials: number; readonly correlationMin?: number }
): Steps<Either.Either<TrialClusters, RowRefused>> {
  const { trials, correlationMin = correlationMinDefault } = options
  checkCount("the number of trials", trials)
  if (trials > clusteredTrialsMax) {
    const reason = `is ${trials}, and at most ${clusteredTrialsMax} are put in clusters`
    throw new EvaluationInvalid({ part: "the number of trials", reason })
  }
  if (!(correlationMin > 0 && correlationMin <= 1)) {
    throw new EvaluationInvalid({ part: "the smallest correlation", reason: `is ${correlationMin}` })
  }
  const refused = refuseNumbers("return", returns, Math.floor(returns.length / trials), trials)
  if (refused !== undefined) return Either.left(refused)

  /** Between clusters, each at the place of its first trial: the smallest correlation of any two members. */
  const similarity = yield* correlations(returns, trials)
  const clusterOf = Uint32Array.from({ length: trials }, (_, i) => i)
  const isOpen = new Uint8Array(trials).fill(1)
  for (;;) {
    yield
    let best = Number.NEGATIVE_INFINITY
    let first = 0
    let second = 0
    for (let a = 0; a < trials; a++) {
      if (isOpen[a] === 0) continue
      for (let b = a + 1; b < trials; b++) {
        if (isOpen[b] === 1 && (similarity[a * trials + b] as number) > best) {
          best = similarity[a * trials + b] as number
          first = a
          second = b
        }
      }
    }
    if (!(best >= correlationMin)) break
    isOpen[second] = 0
    for (let other = 0; other < trials; other++) {
      const least = Math.min(
        similarity[first * trials + other] as number,
        similarity[second * trials + other] as number
      )
      similarity[first * trials + other] = least
      similarity[other * trials + first] = least
      if (clusterOf[other] === second) clusterOf[other] = first
    }
  }
  const names = new Map([...new Set(clusterOf)].map((cluster, i) => [cluster, i]))
  return Either.right({
    clusters: names.size,
    clusterOf: clusterOf.map((cluster) => names.get(cluster) as number)
  })
}

/** Pearson's, [trials, trials]; 0 where one of the two does not vary. */
function* correlations(returns: Float64Array, trials: number): Steps<Float64Array> {
  const bars = returns.length / trials
  const columns: Array<Float64Array> = []
  for (let trial = 0; trial < trials; trial++) {
    yield
    const first = returns[trial] as number
    // From the first return on, so that a column that does not vary is exactly 0.
    const column = Float64Array.from(
      { length: bars },
      (_, bar) => (returns[bar * trials + trial] as number) - first
    )
    const centre = mean(column)
    let squares = 0
    for (const value of column) squares += (value - centre) ** 2
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0
    columns.push(column.map((value) => (value - centre) * scale))
  }
  const all = new Float64Array(trials * trials)
  for (const [a, one] of columns.entries()) {
    for (let b = 0; b < a; b++) {
      yield
      const other = columns[b] as Float64Array
      let product = 0
      for (let bar = 0; bar < bars; bar++) product += (one[bar] as number) * (other[bar] as number)
      all[a * trials + b] = product
      all[b * trials + a] = product
    }
  }
  return all
}
