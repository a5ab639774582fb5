/**
 * Moments of a sample.
 *
 * Invariant: what does not vary has the deviation 0, and no skewness and no kurtosis; rounding is no variation.
 */

export interface Moments {
  readonly count: number
  /** 0 of nothing. */
  readonly mean: number
  /** With n - 1; 0 of fewer than two. */
  readonly deviation: number
  /** m3 / m2^(3/2) of the central moments with n; null where nothing varies. */
  readonly skewness: number | null
  /** m4 / m2^2, 3 for the normal distribution; null where nothing varies. */
  readonly kurtosis: number | null
}

/** As the number itself, where float64 holds it. */
export const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** Returns are quotients less 1: a deviation of this is what their rounding leaves. */
const roundingMax = 1e-14

export const momentsOf = (values: Float64Array): Moments => {
  const count = values.length
  let sum = 0
  for (let i = 0; i < count; i++) sum += values[i] as number
  const mean = count === 0 ? 0 : sum / count
  let squares = 0
  let cubes = 0
  let fourths = 0
  for (let i = 0; i < count; i++) {
    const distance = (values[i] as number) - mean
    const square = distance * distance
    squares += square
    cubes += square * distance
    fourths += square * square
  }
  const deviation = count < 2 ? 0 : Math.sqrt(squares / (count - 1))
  if (!(deviation > roundingMax * (1 + Math.abs(mean)))) {
    return { count, mean, deviation: 0, skewness: null, kurtosis: null }
  }
  const variance = squares / count
  return {
    count,
    mean,
    deviation,
    skewness: finiteOrNull(cubes / count / variance ** 1.5),
    kurtosis: finiteOrNull(fourths / count / variance ** 2)
  }
}
