/**
 * How far prices move within a bar and from one to the next: true range, its average, and the directional
 * movement that is measured by it. In the unit of the price, or 0 to 100.
 * Source: Wilder, New Concepts in Technical Trading Systems (1978), sections III and V.
 */

import { periodOf } from "./LastValues.ts"
import { wilderAverage, wilderSum } from "./MovingAverages.ts"

/** The largest of high - low, abs(high - close before) and abs(low - close before). */
const spread = (high: number, low: number, closeBefore: number): number =>
  Math.max(high - low, Math.abs(closeBefore - high), Math.abs(closeBefore - low))

/** NaN at the first bar. */
export const trueRange = (): ((high: number, low: number, close: number) => number) => {
  let closeBefore = Number.NaN
  return (high, low, close) => {
    const range = spread(high, low, closeBefore)
    closeBefore = close
    return range
  }
}

/** Wilder's average of the true range. Look-back: `period`. */
export const averageTrueRange = (period: number): ((high: number, low: number, close: number) => number) => {
  const range = trueRange()
  const average = wilderAverage(period)
  return (high, low, close) => {
    const next = range(high, low, close)
    return Number.isNaN(next) ? Number.NaN : average(next)
  }
}

export interface Direction {
  /** Average directional index: Wilder's average of 100 abs(plus - minus) / (plus + minus). Look-back: 2 period - 1. */
  readonly adx: number
  /** 100 times the smoothed upward movement over the smoothed true range. Look-back: `period`. */
  readonly plus: number
  /** The same downward. */
  readonly minus: number
}

const unknown: Direction = { adx: Number.NaN, plus: Number.NaN, minus: Number.NaN }

/** Below this, a range or a sum of indices is taken to be nothing. */
const movedMin = 1e-14

/**
 * Upward movement is high - high before where that is positive and more than low before - low, otherwise 0; and
 * the other way round downward. All three sums are Wilder's. Where nothing has moved the indices are 0; the average
 * then stays as it was, and counts a 0 if it has not begun yet.
 */
export const directionalMovement = (
  period: number
): ((high: number, low: number, close: number) => Direction) => {
  const range = trueRange()
  const ranges = wilderSum(periodOf(period, 2))
  const ups = wilderSum(period)
  const downs = wilderSum(period)
  const average = wilderAverage(period)
  let highBefore = Number.NaN
  let lowBefore = Number.NaN
  let indices = 0
  let adx = Number.NaN

  return (high, low, close) => {
    const up = high - highBefore
    const down = lowBefore - low
    highBefore = high
    lowBefore = low
    const moved = range(high, low, close)
    if (Number.isNaN(moved)) return unknown
    const total = ranges(moved)
    const upward = ups(up > 0 && up > down ? up : 0)
    const downward = downs(down > 0 && down > up ? down : 0)
    if (Number.isNaN(total)) return unknown
    const isStill = total < movedMin
    const plus = isStill ? 0 : 100 * (upward / total)
    const minus = isStill ? 0 : 100 * (downward / total)
    const hasDirection = plus + minus >= movedMin
    if (hasDirection || indices < period) {
      adx = average(hasDirection ? 100 * (Math.abs(minus - plus) / (plus + minus)) : 0)
      indices++
    }
    return { adx, plus, minus }
  }
}
