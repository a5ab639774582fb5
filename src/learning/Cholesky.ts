/**
 * Cholesky's factorisation of small symmetric positive definite systems (Golub and Van Loan, Matrix
 * Computations, section 4.2), for closed-form fits.
 *
 * What can go wrong: a matrix that is not positive definite, to within `pivotMin`; `factorise` says so and
 * its output must not be used.
 */

/**
 * Replaces the lower triangle of `matrix` (n x n, row-major, only its lower triangle is read) by L with
 * L L' = matrix. False when a pivot is not above `pivotMin`.
 */
export const factorise = (matrix: Float64Array, n: number, pivotMin: number): boolean => {
  for (let j = 0; j < n; j++) {
    let pivot = matrix[j * n + j] as number
    for (let k = 0; k < j; k++) pivot -= (matrix[j * n + k] as number) ** 2
    if (!(pivot > pivotMin)) return false
    const root = Math.sqrt(pivot)
    matrix[j * n + j] = root
    for (let i = j + 1; i < n; i++) {
      let sum = matrix[i * n + j] as number
      for (let k = 0; k < j; k++) sum -= (matrix[i * n + k] as number) * (matrix[j * n + k] as number)
      matrix[i * n + j] = sum / root
    }
  }
  return true
}

/** Replaces `right` by the solution x of L L' x = right. */
export const solve = (factor: Float64Array, n: number, right: Float64Array): void => {
  for (let i = 0; i < n; i++) {
    let sum = right[i] as number
    for (let k = 0; k < i; k++) sum -= (factor[i * n + k] as number) * (right[k] as number)
    right[i] = sum / (factor[i * n + i] as number)
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = right[i] as number
    for (let k = i + 1; k < n; k++) sum -= (factor[k * n + i] as number) * (right[k] as number)
    right[i] = sum / (factor[i * n + i] as number)
  }
}
