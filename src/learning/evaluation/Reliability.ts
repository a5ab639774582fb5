/**
 * Whether probabilities mean what they say: the reliability curve, and the expected calibration error it gives
 * (Naeini, Cooper and Hauskrecht, 2015). For more than two classes, give the confidence in the top label and whether
 * it was correct (Guo et al., On Calibration of Modern Neural Networks, 2017).
 *
 * What can go wrong: unequal lengths, probabilities or labels that are none (RowRefused), nothing to judge
 * (TooFewOutcomes). The error depends on the bins and is biased upwards where they are many for the outcomes: say
 * which were used.
 * Invariants: the order of the outcomes makes no difference beyond rounding; counts add up to the outcomes.
 */
import { Either } from "effect"
import { type OutcomesRefused, refuseLabels, refuseNone, refuseProbabilities } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"

export interface ReliabilityBin {
  /** The edges of a bin of equal width, [low, high) and the last one closed; the extremes within one of equal mass. */
  readonly low: number
  readonly high: number
  readonly count: number
  /** Null in an empty bin. */
  readonly meanProbability: number | null
  /** Share of label 1; null in an empty bin. */
  readonly observedRate: number | null
}

export interface Reliability {
  readonly bins: ReadonlyArray<ReliabilityBin>
  /** Mean over outcomes of |mean probability - observed rate| of their bin. */
  readonly expectedCalibrationError: number
  /** The largest of them. */
  readonly maximumCalibrationError: number
}

export interface Binning {
  /** Equal mass: as equal as can be where equal probabilities stay together, so that there may be fewer bins. */
  readonly kind: "equal-width" | "equal-mass"
  readonly bins: number
}

const binsMax = 10_000

/** Of probabilities of class 1, and labels 0 or 1. */
export const reliability = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  binning: Binning
): Either.Either<Reliability, OutcomesRefused> => {
  if (!Number.isInteger(binning.bins) || binning.bins < 1 || binning.bins > binsMax) {
    throw new EvaluationInvalid({
      part: "the number of bins",
      reason: `is ${binning.bins}, not 1 to ${binsMax}`
    })
  }
  const n = labels.length
  const refused =
    refuseNone(n) ??
    refuseProbabilities("probability", probabilities, n) ??
    refuseLabels("label", labels, n, 2)
  if (refused !== undefined) return Either.left(refused)

  const bins = (binning.kind === "equal-width" ? equalWidth : equalMass)(probabilities, labels, binning.bins)
  let expected = 0
  let maximum = 0
  for (const { count, meanProbability, observedRate } of bins) {
    if (meanProbability === null || observedRate === null) continue
    const gap = Math.abs(meanProbability - observedRate)
    expected += (count / n) * gap
    maximum = Math.max(maximum, gap)
  }
  return Either.right({ bins, expectedCalibrationError: expected, maximumCalibrationError: maximum })
}

const binOf = (low: number, high: number, count: number, sum: number, hits: number): ReliabilityBin => ({
  low,
  high,
  count,
  meanProbability: count === 0 ? null : sum / count,
  observedRate: count === 0 ? null : hits / count
})

const equalWidth = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  bins: number
): ReadonlyArray<ReliabilityBin> => {
  const counts = new Float64Array(bins)
  const sums = new Float64Array(bins)
  const hits = new Float64Array(bins)
  for (let i = 0; i < labels.length; i++) {
    const probability = probabilities[i] as number
    let bin = Math.min(bins - 1, Math.floor(probability * bins))
    // The product rounds: the edges as they are told decide.
    if (probability < bin / bins) bin--
    else if (bin + 1 < bins && probability >= (bin + 1) / bins) bin++
    counts[bin] = (counts[bin] as number) + 1
    sums[bin] = (sums[bin] as number) + probability
    hits[bin] = (hits[bin] as number) + (labels[i] as number)
  }
  return Array.from({ length: bins }, (_, b) =>
    binOf(b / bins, (b + 1) / bins, counts[b] as number, sums[b] as number, hits[b] as number)
  )
}

const equalMass = (
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  bins: number
): ReadonlyArray<ReliabilityBin> => {
  const n = labels.length
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  order.sort((a, b) => (probabilities[a] as number) - (probabilities[b] as number))
  const sorted = (rank: number) => probabilities[order[rank] as number] as number
  const made: Array<ReliabilityBin> = []
  let start = 0
  for (let b = 1; b <= bins; b++) {
    let end = Math.round((b * n) / bins)
    if (end <= start) continue
    while (end < n && sorted(end) === sorted(end - 1)) end++
    let sum = 0
    let hits = 0
    for (let rank = start; rank < end; rank++) {
      sum += sorted(rank)
      hits += labels[order[rank] as number] as number
    }
    made.push(binOf(sorted(start), sorted(end - 1), end - start, sum, hits))
    start = end
  }
  return made
}
