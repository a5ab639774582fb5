/**
 * The standard normal distribution: probability up to a value, and the value up to a probability.
 *
 * What can go wrong: a probability outside (0, 1) has no quantile (EvaluationInvalid, thrown).
 * Invariants: relative errors are below 1e-10 in the lower tail, too, down to 1e-300; the quantile undoes the
 * probability.
 */
import { erfc } from "../ErrorFunction.ts"
import { EvaluationInvalid } from "./errors.ts"

export const normalProbability = (value: number): number => 0.5 * erfc(-value * Math.SQRT1_2)

const density = (value: number): number => Math.exp(-0.5 * value * value) / Math.sqrt(2 * Math.PI)

/** Each multiplies the correct digits by three: of the first guess there are three. */
const refinements = 3

/** A first guess (Abramowitz and Stegun, 26.2.23, to 4.5e-4), made exact by Halley's steps on the probability. */
export const normalQuantile = (probability: number): number => {
  if (!(probability > 0 && probability < 1)) {
    throw new EvaluationInvalid({ part: "the probability", reason: `is ${probability}, not in (0, 1)` })
  }
  // The upper half by the lower one: there the probability keeps its relative accuracy.
  if (probability > 0.5) return -normalQuantile(1 - probability)
  const t = Math.sqrt(-2 * Math.log(probability))
  const above = 2.515517 + t * (0.802853 + t * 0.010328)
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
  let value = above / below - t
  for (let i = 0; i < refinements; i++) {
    const step = (normalProbability(value) - probability) / density(value)
    value -= step / (1 + 0.5 * value * step)
  }
  return value
}
