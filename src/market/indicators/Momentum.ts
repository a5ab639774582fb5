/**
 * Where a price stands against earlier ones: momentum, rate of change, relative strength, and MACD.
 *
 * Each function makes a stream of prices, as in `MovingAverages.ts`; NaN during the look-back.
 */
import { makeLastValues, periodOf } from "./LastValues.ts"
import { exponentialMovingAverage, wilderAverage } from "./MovingAverages.ts"

const against = (period: number, compare: (now: number, before: number) => number) => {
  const last = makeLastValues(periodOf(period) + 1)
  return (price: number): number => {
    last.push(price)
    return last.isFull() ? compare(price, last.at(period)) : Number.NaN
  }
}

/** price - the price `period` bars before, in the unit of the price. Look-back: `period`. */
export const momentum = (period: number): ((price: number) => number) =>
  against(period, (now, before) => now - before)

/** 100 (price / the price `period` bars before - 1), in percent; 0 where that was 0. Look-back: `period`. */
export const rateOfChange = (period: number): ((price: number) => number) =>
  against(period, (now, before) => (before === 0 ? 0 : (now / before - 1) * 100))

/** Below this, what has been gained and lost together is taken to be nothing. */
const movedMin = 1e-14

/**
 * 100 G / (G + L) with G and L Wilder's averages of what was gained and lost from bar to bar; 0 to 100, and 0
 * where nothing has moved. Look-back: `period`. Source: Wilder (1978), section VI.
 */
export const relativeStrengthIndex = (period: number): ((price: number) => number) => {
  const gain = wilderAverage(periodOf(period, 2))
  const loss = wilderAverage(period)
  let before = Number.NaN
  return (price) => {
    const change = price - before
    before = price
    if (Number.isNaN(change)) return Number.NaN
    const gained = gain(Math.max(change, 0))
    const moved = gained + loss(Math.max(-change, 0))
    return moved < movedMin ? 0 : 100 * (gained / moved)
  }
}

export interface Convergence {
  /** Fast less slow average. */
  readonly macd: number
  /** Exponential average of `macd`. */
  readonly signal: number
  /** macd - signal. */
  readonly histogram: number
}

const unknown: Convergence = { macd: Number.NaN, signal: Number.NaN, histogram: Number.NaN }

/**
 * Moving average convergence and divergence, in the unit of the price. Both averages begin at the same bar: the
 * fast one leaves out the first `slow - fast` prices. All three are NaN until the signal is there. Look-back:
 * slow + signal - 2. Source: Appel (1979); where the averages begin is TA-Lib's choice.
 */
export const movingAverageConvergence = (
  fast: number,
  slow: number,
  signal: number
): ((price: number) => Convergence) => {
  const fastAverage = exponentialMovingAverage(fast)
  const slowAverage = exponentialMovingAverage(periodOf(slow, fast))
  const signalAverage = exponentialMovingAverage(signal)
  let count = 0
  return (price) => {
    count++
    const slowly = slowAverage(price)
    const quickly = count > slow - fast ? fastAverage(price) : Number.NaN
    if (count < slow) return unknown
    const macd = quickly - slowly
    const average = signalAverage(macd)
    return Number.isNaN(average) ? unknown : { macd, signal: average, histogram: macd - average }
  }
}
