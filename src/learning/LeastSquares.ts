/**
 * Ridge regression in closed form, from sums that grow by one row at a time.
 *
 * The sums are the weighted Gram matrix of u = [1, x - x0, y - y0], where (x0, y0) is the first row: it
 * holds X'X, X'y, y'y, the sums and the total weight at once. Taking the first row as the origin costs
 * nothing and keeps the digits that plain sums lose where a feature lies far from zero; a constant column
 * becomes exactly 0.
 *
 * What can go wrong: a number that is not finite, or so large that its square leaves float64, is refused with
 * its row, and the sums stay as they were; collinear columns without a ridge cannot be fitted.
 * Invariants: adding rows one by one in their order is the definition, so equal rows give equal bits; a state
 * written and restored continues exactly; every number of a state is finite.
 */
import { Either, Schema } from "effect"
import { factorise, solve } from "./Cholesky.ts"
import { FitImpossible, RowRefused, StateUnfit } from "./errors.ts"

/** Larger magnitudes are refused: their squares, summed over any number of rows, stay finite. */
const magnitudeMax = 1e100

export const weightMax = 1e6

export const featuresMax = 1_000

/** A column whose variance is a smaller share of its second moment than this is taken to be constant. */
const varianceShareMin = 1e-13

/** Smallest pivot of the correlation matrix (its diagonal is 1) that is not put down to rounding. */
const pivotMin = 1e-11

const Finites = Schema.Array(Schema.Finite)

/** What a snapshot keeps. Plain JSON; numbers survive JSON exactly. */
export const LeastSquaresState = Schema.Struct({
  features: Schema.Int.pipe(Schema.between(1, featuresMax)),
  rows: Schema.NonNegativeInt,
  /** The first row: its features, then its y; zeros before there is one. */
  origin: Finites,
  /** Upper triangle, row by row, of the sum of w u u'. */
  gram: Finites
})
export type LeastSquaresState = typeof LeastSquaresState.Type

export interface LinearFit {
  /** Of y, where every feature has its mean. */
  readonly intercept: number
  /** Of the features after (x - mean) / deviation. Zero for a column without variance. */
  readonly coefficients: Float64Array
  readonly means: Float64Array
  /** Standard deviations; 1 for a column without variance. */
  readonly deviations: Float64Array
  /** Of y around the fit, corrected for the number of coefficients. */
  readonly residualDeviation: number
  readonly rows: number
}

export interface LeastSquares {
  readonly features: number
  readonly rows: () => number
  /** Takes one row: `x` has `features` numbers. A refused row leaves everything as it was. */
  readonly add: (x: Float64Array, y: number, weight?: number) => Either.Either<void, RowRefused>
  /**
   * Minimises the sum of w (y - a - z'b)^2 + ridge |b|^2, where z are the standardised features (Hoerl and
   * Kennard, 1970): `ridge` counts in rows, the intercept is not penalised.
   */
  readonly fit: (ridge: number) => Either.Either<LinearFit, FitImpossible>
  readonly state: () => LeastSquaresState
}

const triangle = (n: number) => (n * (n + 1)) / 2

export const make = (features: number): LeastSquares => {
  if (!Number.isInteger(features) || features < 1 || features > featuresMax) {
    throw new RangeError(`LeastSquares takes 1 to ${featuresMax} features, not ${features}`)
  }
  return build(features, 0, new Float64Array(features + 1), new Float64Array(triangle(features + 2)))
}

export const fromState = (state: LeastSquaresState): Either.Either<LeastSquares, StateUnfit> => {
  const { features, rows, origin, gram } = state
  const unfit = (reason: string) => Either.left(new StateUnfit({ reason }))
  if (!Number.isInteger(features) || features < 1 || features > featuresMax)
    return unfit("it has no features")
  if (!Number.isInteger(rows) || rows < 0) return unfit("its number of rows is none")
  if (origin.length !== features + 1)
    return unfit(`its origin has ${origin.length} numbers, not ${features + 1}`)
  const size = triangle(features + 2)
  if (gram.length !== size) return unfit(`its Gram matrix has ${gram.length} numbers, not ${size}`)
  if (!origin.every(Number.isFinite) || !gram.every(Number.isFinite))
    return unfit("it holds a number that is not finite")
  return Either.right(build(features, rows, Float64Array.from(origin), Float64Array.from(gram)))
}

const taken = Either.right<void>(undefined)

const fault = (value: number): string | undefined =>
  !Number.isFinite(value)
    ? `is ${value}`
    : Math.abs(value) > magnitudeMax
      ? `is larger than ${magnitudeMax}`
      : undefined

const build = (
  features: number,
  rowsAtStart: number,
  origin: Float64Array,
  gram: Float64Array
): LeastSquares => {
  const width = features + 2
  const u = new Float64Array(width)
  u[0] = 1
  let rows = rowsAtStart

  const refuse = (column: string, reason: string) =>
    Either.left(new RowRefused({ row: rows + 1, column, reason }))

  const add = (x: Float64Array, y: number, weight = 1): Either.Either<void, RowRefused> => {
    if (x.length !== features) return refuse("its length", `is ${x.length}, not ${features}`)
    for (let i = 0; i < features; i++) {
      const reason = fault(x[i] as number)
      if (reason !== undefined) return refuse(`feature ${i}`, reason)
    }
    const reason = fault(y)
    if (reason !== undefined) return refuse("y", reason)
    if (!(weight > 0 && weight <= weightMax))
      return refuse("its weight", `is ${weight}, not in (0, ${weightMax}]`)
    if (rows === 0) {
      // Adding 0 turns -0 into 0, which JSON would do as well.
      for (let i = 0; i < features; i++) origin[i] = (x[i] as number) + 0
      origin[features] = y + 0
    }
    for (let i = 0; i < features; i++) u[i + 1] = (x[i] as number) - (origin[i] as number)
    u[features + 1] = y - (origin[features] as number)
    for (let i = 0, k = 0; i < width; i++) {
      const scaled = weight * (u[i] as number)
      for (let j = i; j < width; j++, k++) gram[k] = (gram[k] as number) + scaled * (u[j] as number)
    }
    rows++
    return taken
  }

  const at = (i: number, j: number) => gram[i * width - (i * (i - 1)) / 2 + (j - i)] as number
  const total = () => gram[0] as number
  /** Weighted mean of u[i], and covariance of u[i] and u[j], i <= j. */
  const mean = (i: number) => at(0, i) / total()
  const covariance = (i: number, j: number) => at(i, j) / total() - mean(i) * mean(j)

  const fit = (ridge: number): Either.Either<LinearFit, FitImpossible> => {
    const impossible = (reason: string) => Either.left(new FitImpossible({ rows, reason }))
    if (!(ridge >= 0 && Number.isFinite(ridge))) return impossible(`the ridge is ${ridge}`)
    if (rows < 2) return impossible("at least two are needed")
    const y = features + 1
    const means = Float64Array.from({ length: features }, (_, i) => (origin[i] as number) + mean(i + 1))
    const deviations = new Float64Array(features).fill(1)
    const active: Array<number> = []
    for (let i = 1; i <= features; i++) {
      const variance = covariance(i, i)
      // The second share is that of float64's own spacing at the column's level.
      const spacing = (means[i - 1] as number) ** 2 * Number.EPSILON ** 2
      if (variance <= (varianceShareMin * at(i, i)) / total() || variance <= spacing) continue
      deviations[i - 1] = Math.sqrt(variance)
      active.push(i)
    }

    const n = active.length
    const deviation = (i: number) => deviations[(active[i] as number) - 1] as number
    const correlation = new Float64Array(n * n)
    const target = new Float64Array(n)
    for (let i = 0; i < n; i++) {
      const row = active[i] as number
      target[i] = covariance(row, y) / deviation(i)
      correlation[i * n + i] = 1
      for (let j = 0; j < i; j++) {
        const value = covariance(active[j] as number, row) / (deviation(i) * deviation(j))
        correlation[i * n + j] = value
        correlation[j * n + i] = value
      }
    }
    const factor = Float64Array.from(correlation)
    for (let i = 0; i < n; i++) factor[i * n + i] = 1 + ridge / total()
    if (!factorise(factor, n, pivotMin))
      return impossible("its columns are collinear, which takes a larger ridge")
    const solution = Float64Array.from(target)
    solve(factor, n, solution)

    let error = covariance(y, y)
    const coefficients = new Float64Array(features)
    for (let i = 0; i < n; i++) {
      const b = solution[i] as number
      coefficients[(active[i] as number) - 1] = b
      let explained = -2 * (target[i] as number)
      for (let j = 0; j < n; j++) explained += (correlation[i * n + j] as number) * (solution[j] as number)
      error += b * explained
    }
    const freedom = Math.max(1, rows - n - 1)
    return Either.right({
      intercept: (origin[features] as number) + mean(y),
      coefficients,
      means,
      deviations,
      residualDeviation: Math.sqrt((Math.max(0, error) * rows) / freedom),
      rows
    })
  }

  return {
    features,
    rows: () => rows,
    add,
    fit,
    state: () => ({ features, rows, origin: [...origin], gram: [...gram] })
  }
}
