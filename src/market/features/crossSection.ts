/**
 * What is measured across the instruments of one as-of. NaN is an instrument that has no value there, and is left out.
 */
import type { FeatureValue } from "./FeatureValue.ts"

/**
 * Gini coefficient of amounts that are not negative: 0 where all are equal, 1 - 1/n where one has everything.
 * With x sorted, sum of (2 i - n - 1) x_i over n times the sum of x, i from 1. Source: Gini (1912), in the form of
 * Sen, On Economic Inequality (1973).
 */
export const giniOf = (amounts: Float64Array): FeatureValue => {
  const sorted = amounts.filter((amount) => !Number.isNaN(amount)).sort()
  const n = sorted.length
  let weighted = 0
  let total = 0
  for (let i = 0; i < n; i++) {
    const amount = sorted[i] as number
    weighted += (2 * (i + 1) - n - 1) * amount
    total += amount
  }
  return total > 0 ? weighted / (n * total) : "undefined"
}

/** Population standard deviation of the mean values of groups, each group counting once. */
export const groupDispersion = (
  values: ArrayLike<number>,
  /** The group of each value, from 0; below 0 for one that is in none. */
  groupOf: ArrayLike<number>,
  groups: number
): FeatureValue => {
  const sums = new Float64Array(groups)
  const counts = new Float64Array(groups)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    const group = groupOf[i] as number
    if (Number.isNaN(value) || group < 0) continue
    sums[group] = (sums[group] as number) + value
    counts[group] = (counts[group] as number) + 1
  }
  const means = sums
    .map((sum, group) => sum / (counts[group] as number))
    .filter((mean) => !Number.isNaN(mean))
  if (means.length < 2) return "undefined"
  const mean = means.reduce((sum, one) => sum + one, 0) / means.length
  return Math.sqrt(means.reduce((sum, one) => sum + (one - mean) ** 2, 0) / means.length)
}
