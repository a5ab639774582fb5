/**
 * The error function and its complement, to the rounding of float64.
 *
 * Near 0 the series 7.1.5 of Abramowitz and Stegun (Handbook of Mathematical Functions, 1964), further out the
 * continued fraction 7.1.14, which is taken from its end.
 *
 * What can go wrong: nothing; NaN gives NaN.
 * Invariant: the complement keeps its relative accuracy (1e-11) where it is small: 1 - erf(x) would lose all of it.
 */

const seriesBelow = 2.5
const seriesTermsMax = 100
const negligible = 1e-18
const fractionTerms = 60

/** 2 / sqrt(pi) times the sum of (-1)^n x^(2n + 1) / (n! (2n + 1)). */
const bySeries = (x: number): number => {
  let term = x
  let sum = x
  for (let n = 1; n < seriesTermsMax && Math.abs(term) > negligible; n++) {
    term *= -(x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

/** exp(-x^2) / sqrt(pi) / (x + 1/2 / (x + 1 / (x + 3/2 / (x + ...)))), for x away from 0. */
const complementByFraction = (x: number): number => {
  let fraction = 0
  for (let n = fractionTerms; n > 0; n--) fraction = n / 2 / (x + fraction)
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction)
}

export const erf = (x: number): number => {
  const magnitude = Math.abs(x)
  return magnitude < seriesBelow ? bySeries(x) : Math.sign(x) * (1 - complementByFraction(magnitude))
}

/** 1 - erf(x), in (0, 2); it is 0 from about 27 on. */
export const erfc = (x: number): number => {
  if (Math.abs(x) < seriesBelow) return 1 - bySeries(x)
  return x < 0 ? 2 - complementByFraction(-x) : complementByFraction(x)
}
