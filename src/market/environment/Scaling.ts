/**
 * Features on one scale: (x - mean) / deviation, cut off at `observationLimit`. Means and deviations are fitted on the
 * bars of the training range and are data from then on, to be stored with whatever was trained behind them.
 *
 * What can go wrong: a range without bars, a number that is not finite: refused. A column that never changes there has
 * the deviation 1, and comes out as its distance from the constant.
 */
import { Either } from "effect"
import { ScalingImpossible } from "./errors.ts"

/** Features of every bar, [bars, names], row-major. */
export interface FeatureMatrix {
  readonly names: ReadonlyArray<string>
  readonly values: Float32Array
  /** The first bar that has features; the rows before it are zeros. */
  readonly first: number
}

/** The bars from `first` up to but not including `end`. */
export interface BarRange {
  readonly first: number
  readonly end: number
}

export interface Scaling {
  readonly means: ReadonlyArray<number>
  /** Standard deviations; 1 for a column without variance. */
  readonly deviations: ReadonlyArray<number>
}

/** No number of an observation lies further from 0. */
export const observationLimit = 10

/** A variance below this share of the mean's square is what rounding to 32 bits leaves of a constant. */
const constantShare = 1e-12

export interface FittedPart {
  readonly matrix: FeatureMatrix
  readonly range: BarRange
}

const whyNot = (parts: ReadonlyArray<FittedPart>): string | undefined => {
  const columns = parts[0]?.matrix.names.length
  if (columns === undefined) return "there are none"
  for (const { matrix, range } of parts) {
    if (matrix.names.length !== columns) {
      return `there are ${columns} of them in one place and ${matrix.names.length} in another`
    }
    const bars = columns === 0 ? range.end : matrix.values.length / columns
    const { first, end } = range
    if (!(Number.isInteger(first) && first >= matrix.first && first < end && end <= bars)) {
      return `the bars from ${first} to ${end} are no range of those that have features, ${matrix.first} to ${bars}`
    }
    for (let at = first * columns; at < end * columns; at++) {
      if (!Number.isFinite(matrix.values[at])) {
        return `${matrix.names[at % columns]} of bar ${Math.floor(at / columns)} is ${matrix.values[at]}`
      }
    }
  }
  return undefined
}

/** One scaling of all ranges together: each is a part of the training range, of one course. */
export const fitScaling = (parts: ReadonlyArray<FittedPart>): Either.Either<Scaling, ScalingImpossible> => {
  const reason = whyNot(parts)
  if (reason !== undefined) return Either.left(new ScalingImpossible({ reason }))
  const columns = (parts[0] as FittedPart).matrix.names.length
  const bars = parts.reduce((sum, { range }) => sum + range.end - range.first, 0)
  /** The mean over all bars of what `of` makes of a value in its column. */
  const meanOf = (of: (value: number, column: number) => number): Array<number> => {
    const sums = Array<number>(columns).fill(0)
    for (const { matrix, range } of parts) {
      for (let at = range.first * columns; at < range.end * columns; at++) {
        const column = at % columns
        sums[column] = (sums[column] as number) + of(matrix.values[at] as number, column)
      }
    }
    return sums.map((sum) => sum / bars)
  }
  const means = meanOf((value) => value)
  const variances = meanOf((value, column) => (value - (means[column] as number)) ** 2)
  const deviations = variances.map((variance, column) =>
    variance > constantShare * (means[column] as number) ** 2 ? Math.sqrt(variance) : 1
  )
  return Either.right({ means, deviations })
}

/** The features on the scale. The rows before the first that has features stay zeros. */
export const applyScaling = (matrix: FeatureMatrix, { deviations, means }: Scaling): FeatureMatrix => {
  const columns = matrix.names.length
  if (means.length !== columns || deviations.length !== columns) {
    throw new RangeError(`a scaling of ${means.length} features does not fit ${columns} of them`)
  }
  const values = new Float32Array(matrix.values.length)
  for (let at = matrix.first * columns; at < values.length; at++) {
    const column = at % columns
    const scaled =
      ((matrix.values[at] as number) - (means[column] as number)) / (deviations[column] as number)
    values[at] = Math.min(Math.max(scaled, -observationLimit), observationLimit)
  }
  return { ...matrix, values }
}
