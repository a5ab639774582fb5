/**
 * Averages over time: simple, exponential, weighted, and Wilder's.
 *
 * Each function makes a stream: call it with one value after the other, it gives the average at that value, in
 * the unit of the value, and NaN during the look-back of `period - 1` values. Sums are kept running, in the
 * order of TA-Lib, whose values these are.
 *
 * What can go wrong: a value that is not finite stays in the sums for good; who feeds a stream keeps it out.
 * Invariant: an average depends on the values given so far and on nothing else.
 */
import { makeLastValues, periodOf } from "./LastValues.ts"

/** The mean of the last `period` values. */
export const simpleMovingAverage = (period: number): ((value: number) => number) => {
  const last = makeLastValues(period)
  let total = 0
  return (value) => {
    last.push(value)
    total += value
    if (!last.isFull()) return Number.NaN
    const mean = total / period
    total -= last.at(period - 1)
    return mean
  }
}

/** The mean of the first `period` values, and from there on what `step` makes of the average and the value. */
const begunByMean = (period: number, step: (average: number, value: number) => number) => {
  periodOf(period)
  let count = 0
  let average = 0
  return (value: number): number => {
    count++
    if (count > period) {
      average = step(average, value)
      return average
    }
    average += value
    if (count < period) return Number.NaN
    average /= period
    return average
  }
}

/**
 * e <- e + k (value - e) with k = 2 / (period + 1), beginning with the mean of the first `period` values.
 */
export const exponentialMovingAverage = (period: number): ((value: number) => number) => {
  const k = 2 / (period + 1)
  return begunByMean(period, (average, value) => (value - average) * k + average)
}

/** Weights period, period - 1, ..., 1 from the newest value to the oldest, divided by their sum. */
export const weightedMovingAverage = (period: number): ((value: number) => number) => {
  const last = makeLastValues(period)
  const weights = (period * (period + 1)) / 2
  let weighted = 0
  let plain = 0
  let leaving = 0
  return (value) => {
    last.push(value)
    plain += value
    if (!last.isFull()) {
      weighted += value * last.count()
      return Number.NaN
    }
    plain -= leaving
    weighted += value * period
    leaving = last.at(period - 1)
    const average = weighted / weights
    weighted -= plain
    return average
  }
}

/**
 * w <- ((period - 1) w + value) / period, beginning with the mean of the first `period` values.
 * Source: Wilder, New Concepts in Technical Trading Systems (1978).
 */
export const wilderAverage = (period: number): ((value: number) => number) =>
  begunByMean(period, (average, value) => (average * (period - 1) + value) / period)

/**
 * s <- s - s / period + value: Wilder's running sum, about `period` times his average. It begins with the plain
 * sum of `period - 1` values, and is NaN up to there.
 */
export const wilderSum = (period: number): ((value: number) => number) => {
  periodOf(period)
  let count = 0
  let sum = 0
  return (value) => {
    count++
    sum = count < period ? sum + value : sum - sum / period + value
    return count < period ? Number.NaN : sum
  }
}
