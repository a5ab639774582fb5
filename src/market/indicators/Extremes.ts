/**
 * Where the price stands between the highest high and the lowest low of the last bars, and how long ago these
 * were: stochastic oscillator, Williams' %R, Aroon. NaN during the look-back.
 */
import { highest, type LastValues, lowest, makeLastValues, periodOf } from "./LastValues.ts"
import { simpleMovingAverage } from "./MovingAverages.ts"

/** Asks about the highest high and the lowest low of the last `period` bars. */
const between = (period: number, place: (close: number, low: number, high: number) => number) => {
  const highs = makeLastValues(period)
  const lows = makeLastValues(period)
  return (high: number, low: number, close: number): number => {
    highs.push(high)
    lows.push(low)
    return highs.isFull() ? place(close, lowest(lows), highest(highs)) : Number.NaN
  }
}

export interface Stochastic {
  readonly slowK: number
  readonly slowD: number
}

/**
 * With L the lowest low and H the highest high of `period` bars: slow K is the simple moving average over `slowK`
 * bars of 100 (close - L) / (H - L), or of 0 where H is L; slow D that of slow K over `slowD` bars. 0 to 100.
 * Both are NaN until slow D is there. Look-back: period + slowK + slowD - 3. Source: Lane (1984).
 */
export const stochastic = (
  period: number,
  slowK: number,
  slowD: number
): ((high: number, low: number, close: number) => Stochastic) => {
  const fast = between(period, (close, low, high) => {
    const percent = (high - low) / 100
    return percent === 0 ? 0 : (close - low) / percent
  })
  const averageK = simpleMovingAverage(slowK)
  const averageD = simpleMovingAverage(slowD)
  const unknown: Stochastic = { slowK: Number.NaN, slowD: Number.NaN }
  return (high, low, close) => {
    const place = fast(high, low, close)
    if (Number.isNaN(place)) return unknown
    const k = averageK(place)
    if (Number.isNaN(k)) return unknown
    const d = averageD(k)
    return Number.isNaN(d) ? unknown : { slowK: k, slowD: d }
  }
}

/**
 * -100 (H - close) / (H - L), or 0 where H is L: -100 at the lowest low of `period` bars, 0 at the highest high.
 * Look-back: period - 1. Source: Williams (1973).
 */
export const williamsR = (period: number): ((high: number, low: number, close: number) => number) =>
  between(periodOf(period, 2), (close, low, high) => {
    const percent = (high - low) / -100
    return percent === 0 ? 0 : (high - close) / percent
  })

export interface Aroon {
  readonly down: number
  readonly up: number
}

const barsSince = (values: LastValues, isNewExtreme: (value: number, extreme: number) => boolean): number => {
  let since = 0
  for (let lag = 1; lag < values.size; lag++) if (isNewExtreme(values.at(lag), values.at(since))) since = lag
  return since
}

/**
 * 100 (period - bars since the lowest low, or highest high, of the last period + 1 bars) / period; the latest one
 * where there are several. 0 to 100. Look-back: `period`. Source: Chande (1995).
 */
export const aroon = (period: number): ((high: number, low: number) => Aroon) => {
  const highs = makeLastValues(periodOf(period, 2) + 1)
  const lows = makeLastValues(period + 1)
  const factor = 100 / period
  return (high, low) => {
    highs.push(high)
    lows.push(low)
    if (!highs.isFull()) return { down: Number.NaN, up: Number.NaN }
    return {
      down: factor * (period - barsSince(lows, (value, extreme) => value < extreme)),
      up: factor * (period - barsSince(highs, (value, extreme) => value > extreme))
    }
  }
}
