/**
 * Multinomial logistic regression on sparse rows with a ridge on the coefficients, not on the intercepts: the least of
 *
 *   sum over rows of -log softmax(x W + b)[label] + penalty / 2 * |W|^2
 *
 * What can go wrong: labels that name no class, a penalty that is not positive, lengths that do not fit throw RangeError.
 * Invariants: equal rows give equal bits; the function is convex, so that the start makes no difference beyond the
 * tolerance, and its least is unique but for a constant added to all intercepts.
 */
import type { Steps } from "../steps.ts"
import { minimise } from "./Lbfgs.ts"
import { rowsOf, type SparseRows } from "./SparseRows.ts"

export interface LinearClassifier {
  /** [columns, classes], row-major. */
  readonly coefficients: Float64Array
  /** [classes] */
  readonly intercepts: Float64Array
}

export interface LogisticOptions {
  readonly classes: number
  readonly penalty: number
  /** Where to begin: the solution of a similar problem, or nothing for zeros. */
  readonly start?: LinearClassifier
}

const iterationsMax = 500
/** Of a row: its part in the gradient is at most 1. */
const gradientPerRowMax = 1e-5
/** Numbers that are multiplied between two breaths: well under a millisecond. */
const productsPerStep = 200_000

/** Logits [classes] of one row, into `logits`. */
export const logitsOf = (
  { coefficients, intercepts }: LinearClassifier,
  { indices, starts, values }: SparseRows,
  row: number,
  logits: Float64Array
): void => {
  const classes = intercepts.length
  logits.set(intercepts)
  for (let at = starts[row] as number; at < (starts[row + 1] as number); at++) {
    const base = (indices[at] as number) * classes
    const value = values[at] as number
    for (let k = 0; k < classes; k++) {
      logits[k] = (logits[k] as number) + value * (coefficients[base + k] as number)
    }
  }
}

/** Softmax in place; gives log of the sum of the exponentials of what was there. */
export const softmaxInPlace = (logits: Float64Array): number => {
  let most = Number.NEGATIVE_INFINITY
  for (let k = 0; k < logits.length; k++) most = Math.max(most, logits[k] as number)
  let sum = 0
  for (let k = 0; k < logits.length; k++) {
    const share = Math.exp((logits[k] as number) - most)
    logits[k] = share
    sum += share
  }
  for (let k = 0; k < logits.length; k++) logits[k] = (logits[k] as number) / sum
  return most + Math.log(sum)
}

/** @param labels [rows], which count from 0 */
export function* fitLogistic(
  rows: SparseRows,
  labels: ArrayLike<number>,
  { classes, penalty, start }: LogisticOptions
): Steps<LinearClassifier> {
  const count = rowsOf(rows)
  const { columns, indices, starts, values } = rows
  if (labels.length !== count) throw new RangeError(`There are ${labels.length} labels for ${count} rows.`)
  if (!(penalty > 0)) throw new RangeError(`The penalty ${penalty} is not positive.`)
  for (let i = 0; i < count; i++) {
    const label = labels[i] as number
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new RangeError(`The label ${label} of row ${i} names none of ${classes} classes.`)
    }
  }
  const weights = columns * classes
  const split = (point: Float64Array): LinearClassifier => ({
    coefficients: point.subarray(0, weights),
    intercepts: point.subarray(weights)
  })
  const shares = new Float64Array(classes)

  function* evaluate(point: Float64Array, gradient: Float64Array): Steps<number> {
    const classifier = split(point)
    let value = 0
    for (let i = 0; i < weights; i++) {
      const weight = point[i] as number
      value += (penalty / 2) * weight * weight
      gradient[i] = penalty * weight
    }
    gradient.fill(0, weights)
    let products = 0
    for (let row = 0; row < count; row++) {
      const label = labels[row] as number
      logitsOf(classifier, rows, row, shares)
      const truth = shares[label] as number
      value += softmaxInPlace(shares) - truth
      shares[label] = (shares[label] as number) - 1
      const from = starts[row] as number
      const to = starts[row + 1] as number
      for (let at = from; at < to; at++) {
        const base = (indices[at] as number) * classes
        const x = values[at] as number
        for (let k = 0; k < classes; k++) {
          gradient[base + k] = (gradient[base + k] as number) + x * (shares[k] as number)
        }
      }
      for (let k = 0; k < classes; k++) {
        gradient[weights + k] = (gradient[weights + k] as number) + (shares[k] as number)
      }
      products += (to - from) * classes
      if (products > productsPerStep) {
        products = 0
        yield
      }
    }
    yield
    return value
  }

  const begin = new Float64Array(weights + classes)
  if (start !== undefined) {
    begin.set(start.coefficients)
    begin.set(start.intercepts, weights)
  }
  const { point } = yield* minimise({ evaluate }, begin, {
    iterationsMax,
    gradientMax: gradientPerRowMax * Math.max(1, count)
  })
  const { coefficients, intercepts } = split(point)
  return { coefficients, intercepts }
}
