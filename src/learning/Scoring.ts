/**
 * How good probabilities were once the outcome is known: proper scoring rules, and whether one model's
 * losses are lower than another's by more than luck.
 *
 * What can go wrong: an interval asked of too few losses (TooFewOutcomes) or of losses that are not finite
 * (RowRefused): both would look like certainty.
 * Invariants: losses are lower for better; a distribution that is certain and wrong costs a finite amount;
 * equal key and losses give the same interval.
 */
import { Either } from "effect"
import { keyedRandom } from "../protocols/wire/KeyedRandom.ts"
import { RowRefused, TooFewOutcomes } from "./errors.ts"

/**
 * A probability below this counts as this in the log loss: being certain and wrong costs 13.8 nats, not
 * all.
 */
export const probabilityFloor = 1e-6

/**
 * -log of the probability of what happened, in nats (Good, 1952). `label` is an index into the
 * probabilities.
 */
export const logLoss = (probabilities: ArrayLike<number>, label: number): number =>
  -Math.log(Math.min(1, Math.max(probabilityFloor, probabilities[label] as number)))

/** Squared distance to what happened, summed over the classes, in [0, 2] (Brier, 1950). */
export const brier = (probabilities: ArrayLike<number>, label: number): number => {
  let sum = 0
  for (let i = 0; i < probabilities.length; i++)
    sum += ((probabilities[i] as number) - (i === label ? 1 : 0)) ** 2
  return sum
}

/** NaN for nothing. */
export const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] as number
  return sum / values.length
}

/** How often the predicted sign was the realised one; where either is zero there is nothing to judge. */
export const directionalAccuracy = (
  predicted: ArrayLike<number>,
  realised: ArrayLike<number>
): { readonly judged: number; readonly correct: number } => {
  let judged = 0
  let correct = 0
  for (let i = 0; i < predicted.length; i++) {
    const product = Math.sign(predicted[i] as number) * Math.sign(realised[i] as number)
    if (product !== 0) judged++
    if (product > 0) correct++
  }
  return { judged, correct }
}

export interface BootstrapOptions {
  /** Neighbours that are drawn together: at least as many as the horizons of outcomes overlap. */
  readonly blockLength: number
  readonly resamples?: number
  /** Of the interval, 0.95 unless said otherwise. */
  readonly confidence?: number
  /** Names the random stream. */
  readonly key: ReadonlyArray<string | number>
}

export interface DifferenceInterval {
  /** Mean of candidate less baseline: below zero the candidate is better. */
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** With fewer blocks than this an interval says more about its few blocks than about the models. */
export const blocksMin = 10

const resamplesDefault = 2_000

/**
 * Interval of the mean difference of two models' losses over the same outcomes in time order, by the paired
 * moving block bootstrap (Kuensch, 1989): blocks of neighbouring differences are drawn with replacement
 * until there are as many as outcomes. Moving blocks draw the ends less often than the middle; the
 * percentiles are moved by what that does to the mean (Lahiri, Resampling Methods for Dependent Data, 2003,
 * section 2.5).
 */
export const pairedBlockBootstrap = (
  candidate: Float64Array,
  baseline: Float64Array,
  options: BootstrapOptions
): Either.Either<DifferenceInterval, TooFewOutcomes | RowRefused> => {
  const { blockLength, resamples = resamplesDefault, confidence = 0.95 } = options
  if (!Number.isInteger(blockLength) || blockLength < 1) throw new RangeError(`blockLength is ${blockLength}`)
  const n = candidate.length
  const outcomesMin = blocksMin * blockLength
  if (n < outcomesMin) return Either.left(new TooFewOutcomes({ outcomes: n, outcomesMin }))
  if (baseline.length !== n) {
    const reason = `has ${baseline.length} losses, the candidate ${n}`
    return Either.left(new RowRefused({ row: Math.min(n, baseline.length) + 1, column: "baseline", reason }))
  }

  /** cumulative[i] is the sum of the first i differences. */
  const cumulative = new Float64Array(n + 1)
  for (let i = 0; i < n; i++) {
    const difference = (candidate[i] as number) - (baseline[i] as number)
    if (!Number.isFinite(difference)) {
      return Either.left(new RowRefused({ row: i + 1, column: "the difference", reason: `is ${difference}` }))
    }
    cumulative[i + 1] = (cumulative[i] as number) + difference
  }

  const random = keyedRandom(...options.key, "block-bootstrap")
  const means = new Float64Array(resamples)
  for (let resample = 0; resample < resamples; resample++) {
    let sum = 0
    for (let filled = 0; filled < n; filled += blockLength) {
      const start = random.int(n - blockLength + 1)
      const length = Math.min(blockLength, n - filled)
      sum += (cumulative[start + length] as number) - (cumulative[start] as number)
    }
    means[resample] = sum / n
  }
  means.sort()
  const observed = (cumulative[n] as number) / n
  const shift = observed - mean(means)
  const tail = (1 - confidence) / 2
  return Either.right({
    mean: observed,
    low: quantileOfSorted(means, tail) + shift,
    high: quantileOfSorted(means, 1 - tail) + shift
  })
}

/** Linear between the two nearest order statistics (Hyndman and Fan's type 7). */
const quantileOfSorted = (sorted: Float64Array, share: number): number => {
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const low = sorted[below] as number
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number
  return low + (at - below) * (high - low)
}
