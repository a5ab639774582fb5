/**
 * The sums that a ridge regression over all windows of a series takes, without going through the windows: the rows of
 * neighbouring windows are the same but for one value, so that each diagonal of the Gram matrix follows from its
 * first entry,
 *
 *   sum over windows of s[t+i+1] s[t+j+1] = sum of s[t+i] s[t+j] - s[first+i] s[first+j] + s[end+i] s[end+j].
 *
 * That is O(width windows + width^2) per column and not O(width^2 windows): milliseconds for seconds.
 *
 * What can go wrong: a value that is not finite (RowRefused, its row is that of the series).
 * Invariant: equal to `addRow` over the windows, to within rounding.
 */
import { Either } from "effect"
import { RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { magnitudeMax } from "./checks.ts"
import { type Moments, noMoments } from "./Ridge.ts"
import type { Windows } from "./Windows.ts"

export interface WindowMomentsOptions {
  /**
   * Every value less the last one of the input, as NLinear takes them (Zeng et al., Are Transformers Effective for
   * Time Series Forecasting?, 2023); that last value, then always 0, is no input.
   */
  readonly differences: boolean
  /** Sums of each column for itself instead of one over all columns. */
  readonly perColumn: boolean
}

/** One for all columns, or one per column. */
export function* windowMoments(
  windows: Windows,
  { differences, perColumn }: WindowMomentsOptions
): Steps<Either.Either<ReadonlyArray<Moments>, RowRefused>> {
  const { series, inputLength, horizon } = windows
  const all: Array<Moments> = []
  for (let column = 0; column < series.columns; column++) {
    const values = columnOf(windows, column)
    const at = values.findIndex((value) => !(Math.abs(value) <= magnitudeMax))
    if (at >= 0) {
      const row = windows.firstForecast - inputLength + at + 1
      return Either.left(new RowRefused({ row, column: `column ${column + 1}`, reason: `is ${values[at]}` }))
    }
    const levels = yield* levelMoments(values, inputLength, horizon, windows.count)
    const moments = differences ? yield* differencesOf(levels) : levels
    const shared = all[0]
    if (perColumn || shared === undefined) all.push(moments)
    else addMoments(shared, moments)
    yield
  }
  return Either.right(all)
}

/** The rows that any window has a part of. */
const columnOf = ({ series, inputLength, horizon, firstForecast, count }: Windows, column: number) => {
  const first = firstForecast - inputLength
  return Float64Array.from(
    { length: inputLength + horizon + count - 1 },
    (_, i) => series.values[(first + i) * series.columns + column] as number
  )
}

function* levelMoments(values: Float64Array, inputs: number, outputs: number, count: number): Steps<Moments> {
  const moments = noMoments(inputs, outputs)
  const { sums, gram } = moments
  const width = inputs + outputs
  moments.rows = count
  for (let j = 0; j < width; j++) {
    let sum = 0
    let product = 0
    for (let t = 0; t < count; t++) {
      sum += values[t + j] as number
      product += (values[t] as number) * (values[t + j] as number)
    }
    sums[j] = sum
    gram[j] = product
    yield
  }
  for (let i = 0; i + 1 < width; i++) {
    const leaving = values[i] as number
    const entering = values[i + count] as number
    for (let j = i; j + 1 < width; j++) {
      gram[(i + 1) * width + j + 1] =
        (gram[i * width + j] as number) -
        leaving * (values[j] as number) +
        entering * (values[j + count] as number)
    }
    for (let j = i + 1; j < width; j++) gram[j * width + i] = gram[i * width + j] as number
    yield
  }
  return moments
}

/** Of u_i - u_last for all i but the last input. */
function* differencesOf(levels: Moments): Steps<Moments> {
  const width = levels.inputs + levels.outputs
  const last = levels.inputs - 1
  const moments = noMoments(last, levels.outputs)
  moments.rows = levels.rows
  const at = (i: number, j: number) => levels.gram[i * width + j] as number
  const kept = (i: number) => (i < last ? i : i + 1)
  const narrow = width - 1
  for (let i = 0; i < narrow; i++) {
    const from = kept(i)
    moments.sums[i] = (levels.sums[from] as number) - (levels.sums[last] as number)
    for (let j = 0; j < narrow; j++) {
      const to = kept(j)
      moments.gram[i * narrow + j] = at(from, to) - at(from, last) - at(last, to) + at(last, last)
    }
    yield
  }
  return moments
}

const addMoments = (into: Moments, more: Moments): void => {
  into.rows += more.rows
  for (let i = 0; i < into.sums.length; i++)
    into.sums[i] = (into.sums[i] as number) + (more.sums[i] as number)
  for (let i = 0; i < into.gram.length; i++)
    into.gram[i] = (into.gram[i] as number) + (more.gram[i] as number)
}
