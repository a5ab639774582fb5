/**
 * Ridge regression of many outputs on the same inputs, in closed form (Hoerl and Kennard, 1970): the normal equations
 * are factorised once and solved for each output.
 *
 *   minimise over B, a:  sum over rows of |y - a - B'x|^2 + ridge |B|^2
 *
 * The sums that it takes are enough for any ridge and for the squared error on other rows, so that a ridge is chosen
 * without going through rows again. Inputs are penalised as they are: bring them to a common scale first. Unlike
 * `LeastSquares`, which fits one output on features of any scale, the sums are taken around zero: standardise what
 * lies far from it.
 *
 * What can go wrong: no rows, or inputs that are collinear without a ridge (FitImpossible); a row of the wrong length
 * or not finite (RowRefused), of which nothing is taken.
 */
import { Either } from "effect"
import { factorise, solve } from "../Cholesky.ts"
import { FitImpossible, type RowRefused } from "../errors.ts"
import type { Steps } from "../steps.ts"
import { refuseRow } from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"

/** Sums over rows u = [inputs, outputs], of a width of inputs + outputs. */
export interface Moments {
  readonly inputs: number
  readonly outputs: number
  rows: number
  /** Of u. */
  readonly sums: Float64Array
  /** Of u u', [width, width], both triangles. */
  readonly gram: Float64Array
}

export interface RidgeFit {
  readonly inputs: number
  readonly outputs: number
  /** [inputs, outputs], row-major. */
  readonly weights: Float64Array
  /** [outputs]; not penalised. */
  readonly intercepts: Float64Array
}

/** Inputs and outputs together: the Gram matrix of so many is 128 MB. */
export const widthMax = 4_000

/** A pivot that is a smaller share of the largest diagonal entry than this is put down to rounding. */
const pivotShareMin = 1e-13

export const noMoments = (inputs: number, outputs: number): Moments => {
  const width = inputs + outputs
  const sound = Number.isInteger(inputs) && inputs >= 1 && Number.isInteger(outputs) && outputs >= 1
  if (!sound || width > widthMax) {
    throw new EvaluationInvalid({
      part: "the regression",
      reason: `has ${inputs} inputs and ${outputs} outputs`
    })
  }
  return { inputs, outputs, rows: 0, sums: new Float64Array(width), gram: new Float64Array(width * width) }
}

/** Takes one row u. */
export const addRow = (moments: Moments, row: Float64Array): Either.Either<void, RowRefused> => {
  const width = moments.inputs + moments.outputs
  const refused = refuseRow("u", row, width, moments.rows + 1)
  if (refused !== undefined) return Either.left(refused)
  const { sums, gram } = moments
  for (let i = 0; i < width; i++) {
    const value = row[i] as number
    sums[i] = (sums[i] as number) + value
    for (let j = 0; j < width; j++) {
      gram[i * width + j] = (gram[i * width + j] as number) + value * (row[j] as number)
    }
  }
  moments.rows++
  return Either.right(undefined)
}

export function* fitRidge(moments: Moments, ridge: number): Steps<Either.Either<RidgeFit, FitImpossible>> {
  const { inputs, outputs, rows, sums, gram } = moments
  const impossible = (reason: string) => Either.left(new FitImpossible({ rows, reason }))
  if (!(ridge >= 0 && Number.isFinite(ridge))) return impossible(`the ridge is ${ridge}`)
  if (rows < 2) return impossible("at least two are needed")
  const width = inputs + outputs
  const mean = (i: number) => (sums[i] as number) / rows
  const centred = (i: number, j: number) => (gram[i * width + j] as number) - (sums[i] as number) * mean(j)

  const factor = new Float64Array(inputs * inputs)
  let largest = 0
  for (let i = 0; i < inputs; i++) {
    for (let j = 0; j <= i; j++) factor[i * inputs + j] = centred(i, j)
    factor[i * inputs + i] = (factor[i * inputs + i] as number) + ridge
    largest = Math.max(largest, factor[i * inputs + i] as number)
  }
  yield
  if (!factorise(factor, inputs, pivotShareMin * largest)) {
    return impossible("its inputs are collinear, which takes a larger ridge")
  }
  yield

  const weights = new Float64Array(inputs * outputs)
  const intercepts = new Float64Array(outputs)
  const right = new Float64Array(inputs)
  for (let output = 0; output < outputs; output++) {
    for (let i = 0; i < inputs; i++) right[i] = centred(i, inputs + output)
    solve(factor, inputs, right)
    let intercept = mean(inputs + output)
    for (let i = 0; i < inputs; i++) {
      const weight = right[i] as number
      weights[i * outputs + output] = weight
      intercept -= weight * mean(i)
    }
    intercepts[output] = intercept
    yield
  }
  return Either.right({ inputs, outputs, weights, intercepts })
}

/** The mean squared error of a fit over the rows of these moments and all outputs, in as many digits as sums leave. */
export function* squaredErrorOver(moments: Moments, fit: RidgeFit): Steps<number> {
  const { inputs, outputs, rows, sums, gram } = moments
  if (fit.inputs !== inputs || fit.outputs !== outputs) {
    throw new EvaluationInvalid({
      part: "the fit",
      reason: `is of ${fit.inputs} inputs and ${fit.outputs} outputs, the rows of ${inputs} and ${outputs}`
    })
  }
  const width = inputs + outputs
  const weights = new Float64Array(inputs)
  let total = 0
  for (let output = 0; output < outputs; output++) {
    const y = inputs + output
    const intercept = fit.intercepts[output] as number
    for (let i = 0; i < inputs; i++) weights[i] = fit.weights[i * outputs + output] as number
    let error = (gram[y * width + y] as number) - 2 * intercept * (sums[y] as number) + rows * intercept ** 2
    for (let i = 0; i < inputs; i++) {
      let image = 0
      for (let j = 0; j < inputs; j++) image += (gram[i * width + j] as number) * (weights[j] as number)
      const cross = gram[i * width + y] as number
      error += (weights[i] as number) * (image - 2 * cross + 2 * intercept * (sums[i] as number))
    }
    total += Math.max(0, error)
    yield
  }
  return total / (rows * outputs)
}
