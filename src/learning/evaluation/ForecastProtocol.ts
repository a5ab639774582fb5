/**
 * How the forecasting papers judge (Zhou et al., Informer, 2021; Wu et al., Autoformer, 2021; Zeng et al., 2023), so
 * that a figure of ours stands beside one of theirs:
 *
 * - ETT sets: 12 months of 30 days train, 4 validation, 4 test, and the rest is not used. All others 7 : 1 : 2.
 * - every column is standardised by its mean and population standard deviation over the training rows;
 * - validation and test inputs begin before their part, so that its first row is forecast;
 * - squared and absolute errors on standardised values, over all windows of stride 1, all steps and columns.
 *
 * The published code drops the last windows that do not fill a batch of 32: `wholeBatches(windows, publishedBatch)`.
 *
 * What can go wrong: a series shorter than its parts (SeriesTooShort), numbers that are not finite (RowRefused).
 * Invariants: nothing of the validation and test rows enters the standardisation; a forecaster sees its input alone.
 */
import { Either } from "effect"
import type { RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { refuseNumbers, refuseRow } from "./checks.ts"
import { EvaluationInvalid, SeriesTooShort } from "./errors.ts"
import type { IndexRange } from "./IndexRange.ts"
import { mean } from "./Scoring.ts"
import { rangesByShare } from "./Splits.ts"
import {
  type Forecaster,
  inputOf,
  type Series,
  targetOf,
  type WindowShape,
  type Windows,
  windowsForecasting,
  windowsWithin
} from "./Windows.ts"

export const publishedBatch = 32

/** Rows of a series. */
export interface Parts {
  readonly train: IndexRange
  readonly validation: IndexRange
  readonly test: IndexRange
}

const monthHours = 30 * 24
/** Rows per hour of the ETT sets by the letter after their name. */
const ettRowsPerHour: Readonly<Record<string, number>> = { h: 1, m: 4 }

/** The parts by which the papers judge on a data set of this name. */
export const publishedParts = (dataset: string, rows: number): Either.Either<Parts, SeriesTooShort> => {
  const rowsPerHour = ettRowsPerHour[/^ETT([hm])\d$/.exec(dataset)?.[1] ?? ""]
  if (rowsPerHour === undefined) return Either.right(rangesByShare(rows, { train: 0.7, test: 0.2 }))
  const month = rowsPerHour * monthHours
  const rowsMin = 20 * month
  if (rows < rowsMin) return Either.left(new SeriesTooShort({ part: "series", rows, rowsMin }))
  return Either.right({
    train: { first: 0, end: 12 * month },
    validation: { first: 12 * month, end: 16 * month },
    test: { first: 16 * month, end: rowsMin }
  })
}

export interface Standardised {
  readonly series: Series
  /** Per column, over the training rows. */
  readonly means: Float64Array
  /** 1 for a column without variance. */
  readonly deviations: Float64Array
}

export const standardise = (series: Series, train: IndexRange): Either.Either<Standardised, RowRefused> => {
  const { values, rows, columns } = series
  const n = train.end - train.first
  if (!(n >= 1 && train.first >= 0 && train.end <= rows)) {
    throw new EvaluationInvalid({
      part: "the training part",
      reason: `is ${train.first} to ${train.end} of ${rows}`
    })
  }
  const refused = refuseNumbers("the row", values, rows, columns)
  if (refused !== undefined) return Either.left(refused)
  const means = new Float64Array(columns)
  const deviations = new Float64Array(columns)
  for (let column = 0; column < columns; column++) {
    const taken = Float64Array.from(
      { length: n },
      (_, i) => values[(train.first + i) * columns + column] as number
    )
    const level = mean(taken)
    const deviation = Math.sqrt(mean(taken.map((value) => (value - level) ** 2)))
    means[column] = level
    deviations[column] = deviation > 0 && taken.some((value) => value !== taken[0]) ? deviation : 1
  }
  const standardised = values.map(
    (value, i) => (value - (means[i % columns] as number)) / (deviations[i % columns] as number)
  )
  return Either.right({ series: { values: standardised, rows, columns }, means, deviations })
}

export interface ProtocolWindows {
  readonly train: Windows
  readonly validation: Windows
  readonly test: Windows
}

/** The windows of the three parts of a data set, standardised. */
export const publishedWindows = (
  dataset: string,
  series: Series,
  shape: WindowShape
): Either.Either<ProtocolWindows, SeriesTooShort | RowRefused> =>
  Either.gen(function* () {
    const parts = yield* publishedParts(dataset, series.rows)
    const standardised = yield* standardise(series, parts.train)
    return {
      train: yield* windowsWithin(standardised.series, parts.train, shape),
      validation: yield* windowsForecasting(standardised.series, parts.validation, shape),
      test: yield* windowsForecasting(standardised.series, parts.test, shape)
    }
  })

export interface ForecastScores {
  readonly windows: number
  readonly mse: number
  readonly mae: number
  /** Means over the steps and columns of each window, in time order: two forecasters are compared by them. */
  readonly squaredErrors: Float64Array
  readonly absoluteErrors: Float64Array
}

export interface ForecastScorer {
  /** Takes the forecasts of the windows in their order, [horizon, columns] each. A refused one is not taken. */
  readonly add: (forecast: ArrayLike<number>) => Either.Either<void, RowRefused>
  /** Of the windows taken so far. */
  readonly scores: () => ForecastScores
}

/** For forecasts that come from elsewhere, in batches or over a bus; `evaluateForecaster` is the plain way. */
export const makeScorer = (windows: Windows): ForecastScorer => {
  const size = windows.horizon * windows.series.columns
  const squaredErrors = new Float64Array(windows.count)
  const absoluteErrors = new Float64Array(windows.count)
  let taken = 0
  return {
    add: (forecast) => {
      if (taken === windows.count) {
        throw new EvaluationInvalid({ part: "the forecast", reason: `comes after all ${taken} windows` })
      }
      const refused = refuseRow("the forecast", forecast, size, taken + 1)
      if (refused !== undefined) return Either.left(refused)
      const target = targetOf(windows, taken)
      let squared = 0
      let absolute = 0
      for (let i = 0; i < size; i++) {
        const error = (forecast[i] as number) - (target[i] as number)
        squared += error * error
        absolute += Math.abs(error)
      }
      squaredErrors[taken] = squared / size
      absoluteErrors[taken] = absolute / size
      taken++
      return Either.right(undefined)
    },
    scores: () => {
      const squared = squaredErrors.slice(0, taken)
      const absolute = absoluteErrors.slice(0, taken)
      return {
        windows: taken,
        mse: mean(squared),
        mae: mean(absolute),
        squaredErrors: squared,
        absoluteErrors: absolute
      }
    }
  }
}

/** Every window has equally many numbers, so that the mean over windows is the mean over all of them. */
export function* evaluateForecaster(
  windows: Windows,
  forecaster: Forecaster
): Steps<Either.Either<ForecastScores, RowRefused>> {
  const scorer = makeScorer(windows)
  for (let i = 0; i < windows.count; i++) {
    const taken = scorer.add(forecaster(inputOf(windows, i)))
    if (Either.isLeft(taken)) return Either.left(taken.left)
    yield
  }
  return Either.right(scorer.scores())
}
