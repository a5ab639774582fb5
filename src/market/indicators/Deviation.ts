/**
 * How far values lie from their mean: the standard deviation of a window, and Bollinger's bands around its mean.
 *
 * Variance is the mean of squares less the square of the mean, from running sums, as TA-Lib has it: where the
 * deviation is a millionth of the price, half of the digits are gone. A variance that is not told from 0 counts
 * as 0: below 1e-14 as in TA-Lib, and for prices below 1 below 1e-14 of their square, so that coins of tiny
 * price have bands too (TA-Lib gives them none).
 */
import { makeLastValues, periodOf } from "./LastValues.ts"

const varianceMin = 1e-14

interface Moments {
  readonly mean: number
  readonly deviation: number
}

const none: Moments = { mean: Number.NaN, deviation: Number.NaN }

const moments = (period: number): ((value: number) => Moments) => {
  const last = makeLastValues(periodOf(period, 2))
  let total = 0
  let totalSquares = 0
  return (value) => {
    last.push(value)
    total += value
    totalSquares += value * value
    if (!last.isFull()) return none
    const mean = total / period
    const meanSquare = totalSquares / period
    const leaving = last.at(period - 1)
    total -= leaving
    totalSquares -= leaving * leaving
    const square = mean * mean
    const variance = meanSquare - square
    return {
      mean,
      deviation: variance < varianceMin * Math.min(1, square) ? 0 : Math.sqrt(Math.max(0, variance))
    }
  }
}

/** Population standard deviation of the last `period` values, in their unit; NaN for the first `period - 1`. */
export const standardDeviation = (period: number): ((value: number) => number) => {
  const next = moments(period)
  return (value) => next(value).deviation
}

export interface Bands {
  readonly upper: number
  readonly middle: number
  readonly lower: number
}

/**
 * The simple moving average, and `deviations` standard deviations above and below it, in the unit of the value;
 * NaN for the first `period - 1`. Source: Bollinger, Bollinger on Bollinger Bands (2001).
 */
export const bollingerBands = (period: number, deviations: number): ((value: number) => Bands) => {
  const next = moments(period)
  return (value) => {
    const { deviation, mean } = next(value)
    const width = deviation * deviations
    return { upper: mean + width, middle: mean, lower: mean - width }
  }
}
