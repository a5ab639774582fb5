/**
 * How opinions become one distribution, and how outcomes move the weights. All of it is pure arithmetic on
 * distributions over (sell, hold, buy).
 *
 * - Linear opinion pool: p = sum w_m p_m (Stone 1961).
 * - Weights: Hedge on the log loss (Vovk 1990; Freund and Schapire 1997), w_m proportional to w_m p_m(y)^eta. At
 *   eta = 1 this is the Bayesian mixture, whose cumulative log loss exceeds that of the best member by at most
 *   ln(members). A share of the weight is spread evenly with every outcome (fixed share, Herbster and Warmuth
 *   1998), so that a member that was bad for long can come back. Who abstained sleeps: it is scored as the pool.
 * - Calibration: the pool is tempered towards or away from the base rate, q_b proportional to base^(1-b) p^b, and
 *   the exponents b are weighted by the same rule on the same outcomes.
 */
import type { Probabilities, Side } from "../../protocols/Opinion.ts"

/** Probabilities below this are scored as this: one outcome must not end a member for ever. */
const probabilityMin = 1e-4

/** The calibrator's exponents: 0 is the base rate, 1 the pool as it is. */
export const exponents = [0, 0.25, 0.5, 1, 1.5, 2] as const

export const evenWeights = (count: number): ReadonlyArray<number> =>
  Array.from({ length: count }, () => 1 / count)

export const uniform: Probabilities = { sell: 1 / 3, hold: 1 / 3, buy: 1 / 3 }

const normalised = (sell: number, hold: number, buy: number): Probabilities => {
  const sum = sell + hold + buy
  return sum > 0 && Number.isFinite(sum) ? { sell: sell / sum, hold: hold / sum, buy: buy / sum } : uniform
}

/** The weighted mean of distributions. Weights are those of the members present; they need not sum to one. */
export const pool = (
  members: ReadonlyArray<{ readonly weight: number; readonly probabilities: Probabilities }>
) => {
  let sell = 0
  let hold = 0
  let buy = 0
  for (const { probabilities, weight } of members) {
    sell += weight * probabilities.sell
    hold += weight * probabilities.hold
    buy += weight * probabilities.buy
  }
  return normalised(sell, hold, buy)
}

/** base^(1-exponent) p^exponent, normalised. */
export const temper = (
  probabilities: Probabilities,
  base: Probabilities,
  exponent: number
): Probabilities => {
  const tempered = (p: number, b: number) =>
    Math.exp(
      (1 - exponent) * Math.log(Math.max(b, probabilityMin)) +
        exponent * Math.log(Math.max(p, probabilityMin))
    )
  return normalised(
    tempered(probabilities.sell, base.sell),
    tempered(probabilities.hold, base.hold),
    tempered(probabilities.buy, base.buy)
  )
}

/** The mixture over the exponents. */
export const calibrate = (
  probabilities: Probabilities,
  base: Probabilities,
  weights: ReadonlyArray<number>
): Probabilities =>
  pool(
    exponents.map((exponent, i) => ({
      weight: weights[i] ?? 0,
      probabilities: temper(probabilities, base, exponent)
    }))
  )

export const logScore = (probabilities: Probabilities, outcome: Side): number =>
  Math.log(Math.max(probabilities[outcome], probabilityMin))

/**
 * The weights after an outcome.
 *
 * @param scores what each member's distribution gave the outcome, as a logarithm; undefined for who slept
 * @param rate learning rate of Hedge
 * @param share spread evenly afterwards
 */
export const reweigh = (
  weights: ReadonlyArray<number>,
  scores: ReadonlyArray<number | undefined>,
  rate: number,
  share: number
): ReadonlyArray<number> => {
  let awake = 0
  let score = 0
  weights.forEach((weight, i) => {
    const own = scores[i]
    if (own === undefined) return
    awake += weight
    score += weight * Math.exp(own)
  })
  if (awake <= 0) return weights
  const asleep = Math.log(score / awake)
  const raised = weights.map((weight, i) => weight * Math.exp(rate * (scores[i] ?? asleep)))
  const sum = raised.reduce((total, weight) => total + weight, 0)
  if (!(sum > 0)) return evenWeights(weights.length)
  return raised.map((weight) => (1 - share) * (weight / sum) + share / weights.length)
}
