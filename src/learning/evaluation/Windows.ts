/**
 * The windows of a multivariate series: from `inputLength` rows the next `horizon` rows are to be forecast, all
 * columns of them, at every step (stride 1).
 *
 * What can go wrong: fewer rows than one window takes (SeriesTooShort).
 * Invariant: what a forecaster is given is a copy, so that it can neither change the series nor reach beyond its
 * window.
 */
import { Either } from "effect"
import { EvaluationInvalid, SeriesTooShort } from "./errors.ts"
import type { IndexRange } from "./IndexRange.ts"

/** [rows, columns], row-major, in time order. */
export interface Series {
  readonly values: Float64Array
  readonly rows: number
  readonly columns: number
}

export interface WindowShape {
  readonly inputLength: number
  readonly horizon: number
}

/** Window i forecasts the rows [firstForecast + i, firstForecast + i + horizon). */
export interface Windows extends WindowShape {
  readonly series: Series
  readonly firstForecast: number
  readonly count: number
}

/** From [inputLength, columns] to [horizon, columns], both row-major. */
export type Forecaster = (input: Float64Array) => Float64Array

const lengthMax = 100_000

const checkShape = ({ inputLength, horizon }: WindowShape): void => {
  const check = (part: string, value: number) => {
    if (Number.isInteger(value) && value >= 1 && value <= lengthMax) return
    throw new EvaluationInvalid({ part, reason: `is ${value}, not 1 to ${lengthMax}` })
  }
  check("the input length", inputLength)
  check("the horizon", horizon)
}

/** The windows that lie within these rows, inputs included: those to train on. */
export const windowsWithin = (
  series: Series,
  rows: IndexRange,
  shape: WindowShape
): Either.Either<Windows, SeriesTooShort> =>
  windowsAfter(series, rows, rows.first + shape.inputLength, shape, shape.inputLength + shape.horizon)

/** The windows whose forecasts lie within these rows; inputs may begin before them: those to judge by. */
export const windowsForecasting = (
  series: Series,
  rows: IndexRange,
  shape: WindowShape
): Either.Either<Windows, SeriesTooShort> =>
  rows.first < shape.inputLength
    ? Either.left(
        new SeriesTooShort({ part: "series before the part", rows: rows.first, rowsMin: shape.inputLength })
      )
    : windowsAfter(series, rows, rows.first, shape, shape.horizon)

const windowsAfter = (
  series: Series,
  { first, end }: IndexRange,
  firstForecast: number,
  shape: WindowShape,
  rowsMin: number
): Either.Either<Windows, SeriesTooShort> => {
  checkShape(shape)
  if (end > series.rows || first < 0) {
    throw new EvaluationInvalid({ part: "the part", reason: `has rows ${first} to ${end} of ${series.rows}` })
  }
  if (end - first < rowsMin) {
    return Either.left(new SeriesTooShort({ part: "part", rows: end - first, rowsMin }))
  }
  const { inputLength, horizon } = shape
  return Either.right({
    series,
    inputLength,
    horizon,
    firstForecast,
    count: end - horizon - firstForecast + 1
  })
}

/** [inputLength, columns] of window i, a copy. */
export const inputOf = ({ series, inputLength, firstForecast }: Windows, i: number): Float64Array =>
  series.values.slice(
    (firstForecast + i - inputLength) * series.columns,
    (firstForecast + i) * series.columns
  )

/** What came of window i, [horizon, columns], a copy. */
export const targetOf = ({ series, horizon, firstForecast }: Windows, i: number): Float64Array =>
  series.values.slice((firstForecast + i) * series.columns, (firstForecast + i + horizon) * series.columns)

/** Without the last windows that make no whole batch, as the published code judges. */
export const wholeBatches = (windows: Windows, batchSize: number): Windows => ({
  ...windows,
  count: windows.count - (windows.count % batchSize)
})
