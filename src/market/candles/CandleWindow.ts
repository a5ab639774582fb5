/**
 * The last few bars of a history and what can be measured on them; `lag` 0 is the newest bar.
 *
 * The average of a setting is kept as a running total that gains the newest bar and loses the oldest, exactly
 * in the order of TA-Lib: on a tie (a body of exactly a tenth of the average range, prices being multiples of
 * a tick) the last bit of the total decides. A total begins at the first bar where its pattern can be told.
 *
 * What can go wrong: a lag of `lagMax` or less that reaches before the first bar gives 0s. Nobody asks for one:
 * a pattern is not looked for during its look-back.
 * Invariant: everything depends on the bars pushed so far and on nothing else.
 */

import type { CandleRange, CandleSetting } from "./CandleSettings.ts"
import { BarNotFinite } from "./errors.ts"

/** A power of two, so that a position wraps by a mask. */
const capacity = 16
/** The oldest bar that is kept. A total over 10 bars before the bar 2 bars back loses the one 13 bars back. */
export const lagMax = capacity - 1

export interface CandleWindow {
  /** Takes the next bar. A bar with a number that is not finite throws `BarNotFinite`. */
  readonly push: (open: number, high: number, low: number, close: number) => void
  /** Bars pushed so far; the newest is at this number less 1. */
  readonly bars: () => number
  readonly open: (lag: number) => number
  readonly high: (lag: number) => number
  readonly low: (lag: number) => number
  readonly close: (lag: number) => number
  /** Closed at its open or above it. A body of no length is white. */
  readonly isWhite: (lag: number) => boolean
  /** abs(close - open). */
  readonly body: (lag: number) => number
  readonly bodyTop: (lag: number) => number
  readonly bodyBottom: (lag: number) => number
  readonly upperShadow: (lag: number) => number
  readonly lowerShadow: (lag: number) => number
  readonly range: (kind: CandleRange, lag: number) => number
}

export const makeCandleWindow = (): CandleWindow => {
  const opens = new Float64Array(capacity)
  const highs = new Float64Array(capacity)
  const lows = new Float64Array(capacity)
  const closes = new Float64Array(capacity)
  let count = 0

  const position = (lag: number): number => (count - 1 - lag) & lagMax
  const open = (lag: number): number => opens[position(lag)] as number
  const high = (lag: number): number => highs[position(lag)] as number
  const low = (lag: number): number => lows[position(lag)] as number
  const close = (lag: number): number => closes[position(lag)] as number
  const body = (lag: number): number => Math.abs(close(lag) - open(lag))
  const bodyTop = (lag: number): number => Math.max(open(lag), close(lag))
  const bodyBottom = (lag: number): number => Math.min(open(lag), close(lag))
  const upperShadow = (lag: number): number => high(lag) - bodyTop(lag)
  const lowerShadow = (lag: number): number => bodyBottom(lag) - low(lag)

  return {
    push: (openPrice, highPrice, lowPrice, closePrice) => {
      if (
        !Number.isFinite(openPrice) ||
        !Number.isFinite(highPrice) ||
        !Number.isFinite(lowPrice) ||
        !Number.isFinite(closePrice)
      ) {
        throw new BarNotFinite({ bar: count })
      }
      const at = count & lagMax
      opens[at] = openPrice
      highs[at] = highPrice
      lows[at] = lowPrice
      closes[at] = closePrice
      count++
    },
    bars: () => count,
    open,
    high,
    low,
    close,
    isWhite: (lag) => close(lag) >= open(lag),
    body,
    bodyTop,
    bodyBottom,
    upperShadow,
    lowerShadow,
    range: (kind, lag) =>
      kind === "body"
        ? body(lag)
        : kind === "highLow"
          ? high(lag) - low(lag)
          : upperShadow(lag) + lowerShadow(lag)
  }
}

/**
 * `factor` times the average of a setting over the bars before the one `lag` bars back; to be asked exactly
 * once after each push. NaN while the newest bar is one of the first `lookbackBars`.
 */
export const candleAverage = (
  candles: CandleWindow,
  setting: CandleSetting,
  lag: number,
  lookbackBars: number
): (() => number) => {
  const { factor, periodBars, range } = setting
  const share = range === "shadows" ? 2 : 1
  let total = 0
  return () => {
    const newest = candles.bars() - 1
    if (newest < lookbackBars) return Number.NaN
    if (periodBars === 0) return (factor * candles.range(range, lag)) / share
    if (newest === lookbackBars) {
      for (let k = periodBars; k >= 1; k--) total += candles.range(range, lag + k)
    } else {
      total += candles.range(range, lag + 1) - candles.range(range, lag + 1 + periodBars)
    }
    return (factor * (total / periodBars)) / share
  }
}
