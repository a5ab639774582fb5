/**
 * How far numbers lay from what came. Every measure is the mean of its losses, one per outcome, and the losses are
 * there by themselves: two models are compared by them.
 *
 * What can go wrong: unequal lengths or a number that is not finite (RowRefused), nothing to judge (TooFewOutcomes).
 */
import { Either } from "effect"
import { type OutcomesRefused, refuseNone, refuseNumbers } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"
import { mean, pinball } from "./Scoring.ts"

type Numbers = ArrayLike<number>

const losses = (
  predicted: Numbers,
  realised: Numbers,
  loss: (predicted: number, realised: number) => number
): Either.Either<Float64Array, OutcomesRefused> => {
  const n = realised.length
  const refused =
    refuseNone(n) ?? refuseNumbers("predicted", predicted, n) ?? refuseNumbers("realised", realised, n)
  if (refused !== undefined) return Either.left(refused)
  return Either.right(
    Float64Array.from({ length: n }, (_, i) => loss(predicted[i] as number, realised[i] as number))
  )
}

export const squaredErrors = (predicted: Numbers, realised: Numbers) =>
  losses(predicted, realised, (p, r) => (p - r) ** 2)

export const absoluteErrors = (predicted: Numbers, realised: Numbers) =>
  losses(predicted, realised, (p, r) => Math.abs(p - r))

export const meanSquaredError = (predicted: Numbers, realised: Numbers) =>
  Either.map(squaredErrors(predicted, realised), mean)

export const meanAbsoluteError = (predicted: Numbers, realised: Numbers) =>
  Either.map(absoluteErrors(predicted, realised), mean)

export const rootMeanSquaredError = (predicted: Numbers, realised: Numbers) =>
  Either.map(meanSquaredError(predicted, realised), Math.sqrt)

/**
 * Pinball losses [outcomes, levels] of predicted quantiles [outcomes, levels], row-major. The levels lie in (0, 1),
 * or EvaluationInvalid is thrown. Quantiles that cross are judged as they are.
 */
export const pinballLosses = (
  predicted: Numbers,
  realised: Numbers,
  levels: ReadonlyArray<number>
): Either.Either<Float64Array, OutcomesRefused> => {
  if (levels.length === 0 || !levels.every((level) => level > 0 && level < 1)) {
    throw new EvaluationInvalid({ part: "the quantile levels", reason: `are ${levels.join(", ") || "none"}` })
  }
  const n = realised.length
  const width = levels.length
  const refused =
    refuseNone(n) ?? refuseNumbers("predicted", predicted, n, width) ?? refuseNumbers("realised", realised, n)
  if (refused !== undefined) return Either.left(refused)
  return Either.right(
    Float64Array.from({ length: n * width }, (_, i) =>
      pinball(levels[i % width] as number, predicted[i] as number, realised[Math.floor(i / width)] as number)
    )
  )
}

export interface PinballLoss {
  /** In the order of the levels. */
  readonly perLevel: Float64Array
  readonly mean: number
}

export const pinballLoss = (predicted: Numbers, realised: Numbers, levels: ReadonlyArray<number>) =>
  Either.map(pinballLosses(predicted, realised, levels), (all): PinballLoss => {
    const perLevel = new Float64Array(levels.length)
    for (let i = 0; i < all.length; i++) {
      const level = i % levels.length
      perLevel[level] = (perLevel[level] as number) + (all[i] as number) / realised.length
    }
    return { perLevel, mean: mean(perLevel) }
  })

/** How often the predicted sign was the realised one; where either is zero there is nothing to judge. */
export const directionalAccuracy = (
  predicted: Numbers,
  realised: Numbers
): Either.Either<{ readonly judged: number; readonly correct: number }, OutcomesRefused> =>
  Either.map(
    losses(predicted, realised, (p, r) => Math.sign(p) * Math.sign(r)),
    (agreements) => {
      const correct = agreements.filter((agreement) => agreement > 0).length
      return { judged: correct + agreements.filter((agreement) => agreement < 0).length, correct }
    }
  )
