/**
 * Plain rules that a strategy has to be worth more than, as target positions: at each bar what to hold from the next fill
 * on, 1 long, -1 short, 0 nothing.
 *
 * What can go wrong: periods that are none are thrown (PeriodInvalid, RangeError).
 * Invariant: the target at a bar follows from the closes up to that bar, its own included, and from nothing later.
 */
import { simpleMovingAverage } from "../indicators/MovingAverages.ts"

export const buyAndHold = (bars: number): Int8Array => new Int8Array(bars).fill(1)

export interface CrossingRule {
  /** Bars of the average that follows sooner, fewer than `slow`. */
  readonly fast: number
  readonly slow: number
  /** What to hold where the fast average is below. */
  readonly below: 0 | -1
}

/** A day and a week of hourly bars, long or out. */
export const crossingDefault: CrossingRule = { fast: 24, slow: 168, below: 0 }

/** Averages whose difference is smaller, as a share, differ by the rounding of their running sums. */
const rounding = 1e-9

/**
 * Long while the fast average of the closes is above the slow one (Brock, Lakonishok and LeBaron, Simple Technical Trading
 * Rules, Journal of Finance, 1992). Nothing until the slow one is there, and where the two are the same.
 */
export const movingAverageCrossing = (
  closes: Float64Array,
  { fast, slow, below }: CrossingRule = crossingDefault
): Int8Array => {
  if (!(fast < slow)) throw new RangeError(`a fast average of ${fast} bars beside a slow one of ${slow}`)
  const fastAverage = simpleMovingAverage(fast)
  const slowAverage = simpleMovingAverage(slow)
  const targets = new Int8Array(closes.length)
  for (let bar = 0; bar < closes.length; bar++) {
    const close = closes[bar] as number
    const sooner = fastAverage(close)
    const later = slowAverage(close)
    // NaN during the look-back: neither holds.
    if (sooner > later * (1 + rounding)) targets[bar] = 1
    else if (sooner < later * (1 - rounding)) targets[bar] = below
  }
  return targets
}
