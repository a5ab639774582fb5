/**
 * What every model has to beat: forecasts that need no network.
 *
 * - repeat-last: the last value goes on.
 * - seasonal: the last period goes on.
 * - linear: ridge regression on the input in closed form, on values or on differences to the last one.
 * - base rates, for classes: what happened before happens as often.
 *
 * What can go wrong: a period longer than the input, a series that cannot be fitted (FitImpossible, RowRefused),
 * labels that name no class (RowRefused).
 */
import { Either } from "effect"
import { FitImpossible, type RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { refuseLabels } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"
import { fitLinearForecast, type LinearForecastOptions, linearForecaster } from "./LinearForecast.ts"
import type { Forecaster, Windows } from "./Windows.ts"

export interface ForecastBaseline {
  readonly name: string
  /** Learns from the training windows alone; what it has to choose, it chooses by the validation windows. */
  readonly fit: (
    training: Windows,
    validation: Windows
  ) => Steps<Either.Either<Forecaster, FitImpossible | RowRefused>>
}

export const repeatLast: ForecastBaseline = {
  name: "repeat-last",
  // The last period of one row.
  fit: function* (training) {
    return Either.right(repeatPeriod(training, 1))
  }
}

/** `period` counts in rows. */
export const seasonal = (period: number): ForecastBaseline => {
  if (!Number.isInteger(period) || period < 1) {
    throw new EvaluationInvalid({ part: "the period", reason: `is ${period} rows` })
  }
  return {
    name: `seasonal ${period}`,
    fit: function* (training) {
      if (period <= training.inputLength) return Either.right(repeatPeriod(training, period))
      const reason = `the period is ${period} rows, the input ${training.inputLength}`
      return Either.left(new FitImpossible({ rows: training.count, reason }))
    }
  }
}

const repeatPeriod =
  ({ inputLength, horizon, series: { columns } }: Windows, period: number): Forecaster =>
  (input) => {
    const output = new Float64Array(horizon * columns)
    for (let step = 0; step < horizon; step++) {
      const from = (inputLength - period + (step % period)) * columns
      output.set(input.subarray(from, from + columns), step * columns)
    }
    return output
  }

export const linear = (options: LinearForecastOptions): ForecastBaseline => ({
  name: `${options.differences ? "linear on differences" : "linear"}${options.perColumn ? ", per column" : ""}`,
  fit: function* (training, validation) {
    return Either.map(yield* fitLinearForecast(training, validation, options), linearForecaster)
  }
})

/**
 * The shares of the classes, each class counted `imaginedEach` times more often than it happened, so that none is
 * said to be impossible.
 */
export const baseRates = (
  labels: ArrayLike<number>,
  classes: number,
  imaginedEach = 1
): Either.Either<Float64Array, RowRefused> => {
  if (!(Number.isInteger(classes) && classes >= 2) || !(imaginedEach > 0)) {
    throw new EvaluationInvalid({
      part: "the base rates",
      reason: `are of ${classes} classes, each imagined ${imaginedEach} times`
    })
  }
  const refused = refuseLabels("label", labels, labels.length, classes)
  if (refused !== undefined) return Either.left(refused)
  const counts = new Float64Array(classes).fill(imaginedEach)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number
    counts[label] = (counts[label] as number) + 1
  }
  const total = labels.length + classes * imaginedEach
  return Either.right(counts.map((count) => count / total))
}

/** The same rates for every outcome, [outcomes, classes]. */
export const forecastRates = (rates: Float64Array, outcomes: number): Float64Array => {
  const all = new Float64Array(outcomes * rates.length)
  for (let i = 0; i < outcomes; i++) all.set(rates, i * rates.length)
  return all
}
