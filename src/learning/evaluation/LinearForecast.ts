/**
 * The closed form of the published linear forecasters (Zeng et al., Are Transformers Effective for Time Series
 * Forecasting?, AAAI 2023): every step of the horizon is a linear function of the input, one function for all columns
 * or one per column, each column from its own past. With `differences` the last value is taken from both sides and
 * put back, as NLinear does.
 *
 * What can go wrong: a series with a number that is not finite (RowRefused), sums that cannot be solved
 * (FitImpossible), fewer than two input rows for differences, which throws EvaluationInvalid. The series is expected
 * standardised: the ridge weighs all values alike.
 */
import { Either } from "effect"
import { FitImpossible, type RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { EvaluationInvalid } from "./errors.ts"
import { fitRidge, type Moments, type RidgeFit, squaredErrorOver } from "./Ridge.ts"
import { type WindowMomentsOptions, windowMoments } from "./WindowMoments.ts"
import type { Forecaster, Windows } from "./Windows.ts"

export interface LinearForecastOptions extends WindowMomentsOptions {
  /** Candidates, counted in rows (a row is one column of one window). One alone is taken as it is. */
  readonly ridges: ReadonlyArray<number>
}

/** From next to nothing to where only the intercept is left. */
export const ridgesDefault: ReadonlyArray<number> = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]

export interface LinearForecast {
  readonly inputLength: number
  readonly horizon: number
  readonly columns: number
  readonly differences: boolean
  /** One for all columns, or one per column. */
  readonly fits: ReadonlyArray<RidgeFit>
  /** The one that was taken. */
  readonly ridge: number
  /** Mean squared error on the validation windows by candidate; empty where there was no choice. */
  readonly validationErrors: ReadonlyArray<number>
}

/** Fitted to the training windows, by the ridge that has the least squared error on the validation windows. */
export function* fitLinearForecast(
  training: Windows,
  validation: Windows,
  options: LinearForecastOptions
): Steps<Either.Either<LinearForecast, RowRefused | FitImpossible>> {
  const { differences, ridges } = options
  check(training, validation, options)
  const moments = yield* windowMoments(training, options)
  if (Either.isLeft(moments)) return Either.left(moments.left)
  const judged = ridges.length > 1 ? yield* windowMoments(validation, options) : moments
  if (Either.isLeft(judged)) return Either.left(judged.left)

  let best: { readonly fits: ReadonlyArray<RidgeFit>; readonly ridge: number } | undefined
  let refusal = new FitImpossible({ rows: training.count, reason: "there is no ridge to try" })
  let leastError = Number.POSITIVE_INFINITY
  const validationErrors: Array<number> = []
  for (const ridge of ridges) {
    const fits = yield* fitAll(moments.right, ridge)
    if (Either.isLeft(fits)) {
      refusal = fits.left
      validationErrors.push(Number.POSITIVE_INFINITY)
      continue
    }
    const error = ridges.length > 1 ? yield* errorOf(judged.right, fits.right) : 0
    validationErrors.push(error)
    if (error < leastError) {
      leastError = error
      best = { fits: fits.right, ridge }
    }
  }
  if (best === undefined) return Either.left(refusal)
  const { inputLength, horizon, series } = training
  return Either.right({
    inputLength,
    horizon,
    columns: series.columns,
    differences,
    ...best,
    validationErrors: ridges.length > 1 ? validationErrors : []
  })
}

function* fitAll(
  moments: ReadonlyArray<Moments>,
  ridge: number
): Steps<Either.Either<ReadonlyArray<RidgeFit>, FitImpossible>> {
  const fits: Array<RidgeFit> = []
  for (const one of moments) {
    const fit = yield* fitRidge(one, ridge)
    if (Either.isLeft(fit)) return Either.left(fit.left)
    fits.push(fit.right)
  }
  return Either.right(fits)
}

/** Columns have equally many windows, so that the mean of their errors is the error. */
function* errorOf(moments: ReadonlyArray<Moments>, fits: ReadonlyArray<RidgeFit>): Steps<number> {
  let sum = 0
  for (const [i, fit] of fits.entries()) sum += yield* squaredErrorOver(moments[i] as Moments, fit)
  return sum / fits.length
}

/** The forecasts of a fit. */
export const linearForecaster = (model: LinearForecast): Forecaster => {
  const { inputLength, horizon, columns, differences, fits } = model
  const steps = new Float64Array(horizon)
  return (input) => {
    const output = new Float64Array(horizon * columns)
    for (let column = 0; column < columns; column++) {
      const { inputs, weights, intercepts } = fits[fits.length === 1 ? 0 : column] as RidgeFit
      const last = differences ? (input[(inputLength - 1) * columns + column] as number) : 0
      steps.set(intercepts)
      for (let i = 0; i < inputs; i++) {
        const value = (input[i * columns + column] as number) - last
        const from = i * horizon
        for (let step = 0; step < horizon; step++) {
          steps[step] = (steps[step] as number) + (weights[from + step] as number) * value
        }
      }
      for (let step = 0; step < horizon; step++) {
        output[step * columns + column] = last + (steps[step] as number)
      }
    }
    return output
  }
}

const check = (
  training: Windows,
  validation: Windows,
  { differences, ridges }: LinearForecastOptions
): void => {
  const refuse = (part: string, reason: string) => {
    throw new EvaluationInvalid({ part, reason })
  }
  if (differences && training.inputLength < 2) refuse("the input length", "is 1, which leaves no difference")
  if (ridges.length === 0) refuse("the list of ridges", "is empty")
  const alike =
    training.inputLength === validation.inputLength &&
    training.horizon === validation.horizon &&
    training.series.columns === validation.series.columns
  if (!alike) refuse("the validation windows", "have another shape than the training windows")
}
