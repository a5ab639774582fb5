/**
 * What every measure asks of its numbers before it computes: as many as there are outcomes, all of them finite,
 * labels that name a class, probabilities that are some. Each check gives what it refuses, or undefined.
 *
 * Invariant: squares of numbers that pass, summed over any number of rows, stay finite.
 */
import { RowRefused, TooFewOutcomes } from "../errors.ts"
import { EvaluationInvalid } from "./errors.ts"

/** Why a measure of outcomes has no value. */
export type OutcomesRefused = RowRefused | TooFewOutcomes

export const magnitudeMax = 1e100

/** What the probabilities of one outcome may sum to beside 1: they may have been float32. */
const probabilitySumTolerance = 1e-5

/** Rows of `width` numbers each, counted from 1 in the refusal. */
const refuseWhere = (
  column: string,
  values: ArrayLike<number>,
  rows: number,
  width: number,
  isSound: (value: number) => boolean,
  wanted = ""
): RowRefused | undefined => {
  if (values.length !== rows * width) {
    const row = Math.min(rows, Math.floor(values.length / width)) + 1
    return new RowRefused({ row, column, reason: `has ${values.length} numbers, not ${rows * width}` })
  }
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (!isSound(value)) {
      return new RowRefused({ row: Math.floor(i / width) + 1, column, reason: `is ${value}${wanted}` })
    }
  }
  return undefined
}

export const refuseNumbers = (column: string, values: ArrayLike<number>, rows: number, width = 1) =>
  refuseWhere(
    column,
    values,
    rows,
    width,
    (value) => Math.abs(value) <= magnitudeMax,
    `, not a number within ${magnitudeMax} of 0`
  )

/** One row of `width` numbers, which is row `row` of its caller. */
export const refuseRow = (column: string, values: ArrayLike<number>, width: number, row: number) => {
  const refused = refuseNumbers(column, values, 1, width)
  return refused && new RowRefused({ row, column, reason: refused.reason })
}

/** Labels count from 0. */
export const refuseLabels = (column: string, labels: ArrayLike<number>, rows: number, classes: number) =>
  refuseWhere(
    column,
    labels,
    rows,
    1,
    (label) => Number.isInteger(label) && label >= 0 && label < classes,
    `, not one of ${classes} classes`
  )

/** Each for itself: those of a row need not sum to 1. */
export const refuseProbabilities = (column: string, values: ArrayLike<number>, rows: number, width = 1) =>
  refuseWhere(column, values, rows, width, (value) => value >= 0 && value <= 1, ", not in [0, 1]")

/** Row by row a distribution over the classes. */
export const refuseDistributions = (
  column: string,
  values: ArrayLike<number>,
  rows: number,
  classes: number
): RowRefused | undefined => {
  const refused = refuseProbabilities(column, values, rows, classes)
  if (refused !== undefined) return refused
  for (let row = 0; row < rows; row++) {
    let sum = 0
    for (let i = 0; i < classes; i++) sum += values[row * classes + i] as number
    if (Math.abs(sum - 1) > probabilitySumTolerance) {
      return new RowRefused({ row: row + 1, column, reason: `sums to ${sum}, not 1` })
    }
  }
  return undefined
}

export const refuseNone = (outcomes: number): TooFewOutcomes | undefined =>
  outcomes < 1 ? new TooFewOutcomes({ outcomes, outcomesMin: 1 }) : undefined

/** What a program asks for, and not what data hold: it is thrown. */
export const checkCount = (part: string, value: number, min = 1): void => {
  if (Number.isInteger(value) && value >= min) return
  throw new EvaluationInvalid({ part, reason: `is ${value}, not a whole number of at least ${min}` })
}
