/**
 * How much an estimated Sharpe ratio proves: the probability that the true one lies above a benchmark, how long a record
 * has to be for that, and what the best of many trials would have shown by luck alone.
 *
 * Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012), sections 3 and 4: probabilistic ratio, minimum
 * track record. The same, The Deflated Sharpe Ratio (2014): the expected maximum and the deflated ratio.
 *
 * All ratios are per bar, not annualised: the number of observations is that of the bars. Kurtosis is not the excess:
 * 3 for the normal distribution.
 *
 * What can go wrong: fewer than two observations, or moments that no returns have (SharpeUnjudged). A benchmark, a
 * confidence or a number of trials that is none throws EvaluationInvalid. The error of the estimate is that of
 * independent returns; where neighbours move together, all of these claim too much.
 */
import { Either } from "effect"
import { EvaluationInvalid, SharpeUnjudged } from "./errors.ts"
import { normalProbability, normalQuantile } from "./NormalDistribution.ts"

export interface SharpeEstimate {
  /** Mean over standard deviation of the returns of single bars. */
  readonly sharpe: number
  /** Returns that it was estimated from. */
  readonly observations: number
  readonly skewness: number
  readonly kurtosis: number
}

/** Returns of single bars as sums, after an offset was taken off each. */
export interface ReturnSums {
  readonly count: number
  readonly sum: number
  readonly squares: number
  readonly offset: number
}

/** Returns are quotients less 1: a deviation of this is what their own rounding leaves. */
const quotientErrorMax = 1e-14

/**
 * Mean over standard deviation (n - 1) of returns that were summed. It is 0 of fewer than two, and where nothing has
 * varied: where they spread by no more than what rounding leaves of n squares that are summed, or of the returns
 * themselves.
 */
export const sharpeOfSums = ({ count, offset, squares, sum }: ReturnSums): number => {
  if (count < 2) return 0
  const shifted = sum / count
  const spread = squares - shifted * sum
  if (!(spread > 2 * count * Number.EPSILON * squares)) return 0
  const mean = offset + shifted
  const deviation = Math.sqrt(spread / (count - 1))
  return deviation > quotientErrorMax * (1 + Math.abs(mean)) ? mean / deviation : 0
}

/** How far the kurtosis of a sample may lie below the smallest that its skewness allows: rounding. */
const kurtosisTolerance = 1e-9

const whyUnjudged = ({ sharpe, observations, skewness, kurtosis }: SharpeEstimate): string | undefined => {
  if (!(Number.isFinite(sharpe) && Number.isFinite(skewness) && Number.isFinite(kurtosis))) {
    return `its moments are ${sharpe}, ${skewness} and ${kurtosis}`
  }
  if (!(Number.isSafeInteger(observations) && observations >= 2)) {
    return `it rests on ${observations} observations, and at least 2 are needed`
  }
  if (kurtosis < (1 + skewness ** 2) * (1 - kurtosisTolerance)) {
    return `no returns have skewness ${skewness} and kurtosis ${kurtosis}`
  }
  return undefined
}

/** Variance of the estimate times (observations - 1): 1 - skewness S + (kurtosis - 1) / 4 S^2 (Mertens, 2002). */
const scaledVariance = (estimate: SharpeEstimate): Either.Either<number, SharpeUnjudged> => {
  const reason = whyUnjudged(estimate)
  if (reason !== undefined) return Either.left(new SharpeUnjudged({ reason }))
  const { sharpe, skewness, kurtosis } = estimate
  const variance = 1 - skewness * sharpe + ((kurtosis - 1) / 4) * sharpe ** 2
  // Returns of two values, one of which they have hardly ever: the formula sees no error at all.
  return variance > 0
    ? Either.right(variance)
    : Either.left(new SharpeUnjudged({ reason: `its error comes out as none, from skewness ${skewness}` }))
}

const checkFinite = (part: string, value: number): void => {
  if (!Number.isFinite(value)) throw new EvaluationInvalid({ part, reason: `is ${value}` })
}

/** The probability that the true Sharpe ratio is above the benchmark. */
export const probabilisticSharpe = (
  estimate: SharpeEstimate,
  benchmark: number
): Either.Either<number, SharpeUnjudged> => {
  checkFinite("the benchmark", benchmark)
  return Either.map(scaledVariance(estimate), (variance) =>
    normalProbability((estimate.sharpe - benchmark) * Math.sqrt((estimate.observations - 1) / variance))
  )
}

/**
 * Observations, not rounded, from which the probability of a true ratio above the benchmark reaches the confidence;
 * infinite where the estimate is not above the benchmark itself.
 */
export const minimumTrackRecord = (
  estimate: SharpeEstimate,
  benchmark: number,
  confidence: number
): Either.Either<number, SharpeUnjudged> => {
  checkFinite("the benchmark", benchmark)
  if (!(confidence > 0.5 && confidence < 1)) {
    throw new EvaluationInvalid({ part: "the confidence", reason: `is ${confidence}, not in (0.5, 1)` })
  }
  return Either.map(scaledVariance(estimate), (variance) =>
    estimate.sharpe > benchmark
      ? 1 + variance * (normalQuantile(confidence) / (estimate.sharpe - benchmark)) ** 2
      : Number.POSITIVE_INFINITY
  )
}

export interface TrialsBehind {
  /** How many independent ones; not necessarily a whole number. */
  readonly trials: number
  /** Of their Sharpe ratios per bar, from one trial to the other. */
  readonly variance: number
}

/** Euler and Mascheroni's constant. */
const gamma = 0.5772156649015329

/**
 * What the best of so many trials without any skill is expected to show, per bar:
 * sqrt(V) ((1 - gamma) Z(1 - 1 / N) + gamma Z(1 - 1 / (N e))), Z the normal quantile. For one trial it is 0, and where the
 * approximation falls below that, too.
 */
export const expectedMaximumSharpe = ({ trials, variance }: TrialsBehind): number => {
  if (!(trials >= 1 && Number.isFinite(trials))) {
    throw new EvaluationInvalid({ part: "the number of trials", reason: `is ${trials}` })
  }
  if (!(variance >= 0 && Number.isFinite(variance))) {
    throw new EvaluationInvalid({ part: "the variance of the trials", reason: `is ${variance}` })
  }
  if (trials === 1) return 0
  const largest =
    (1 - gamma) * normalQuantile(1 - 1 / trials) + gamma * normalQuantile(1 - 1 / (trials * Math.E))
  return Math.sqrt(variance) * Math.max(0, largest)
}

export interface DeflatedSharpe {
  /** What luck alone would have shown, per bar. */
  readonly benchmark: number
  /** That the true ratio is above it. */
  readonly probability: number
}

export const deflatedSharpe = (
  estimate: SharpeEstimate,
  behind: TrialsBehind
): Either.Either<DeflatedSharpe, SharpeUnjudged> => {
  const benchmark = expectedMaximumSharpe(behind)
  return Either.map(probabilisticSharpe(estimate, benchmark), (probability) => ({ benchmark, probability }))
}
