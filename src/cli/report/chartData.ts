/**
 * Columns as a chart library takes them: seconds and values, thinned to what a screen can show. Of several bars one is
 * made (first open, highest high, lowest low, last close), of several values the last stays: no point is invented.
 */
import type { InstrumentCourse } from "../../agents/backtest/BacktestResult.ts"

/** Points of one line; a report of some instruments stays within a few megabytes. */
export const pointsMax = 6_000

export interface Point {
  /** Seconds since 1970, UTC. */
  readonly time: number
  readonly value: number
}

export interface Candle {
  readonly time: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

const seconds = (epochMs: number): number => Math.floor(epochMs / 1_000)

/** How many are put together to one. */
export const strideFor = (count: number): number => Math.max(1, Math.ceil(count / pointsMax))

/** The last of each group, and so the last of all. */
export const lineOf = (times: Float64Array, values: ArrayLike<number>, digits = 8): ReadonlyArray<Point> => {
  const stride = strideFor(times.length)
  const points: Array<Point> = []
  for (let end = Math.min(stride, times.length); end > 0; ) {
    const value = values[end - 1] as number
    if (Number.isFinite(value)) {
      points.push({ time: seconds(times[end - 1] as number), value: Number(value.toPrecision(digits)) })
    }
    if (end === times.length) break
    end = Math.min(end + stride, times.length)
  }
  return points
}

/** By the close of the last bar of each group. */
export const candlesOf = ({
  close,
  high,
  low,
  open,
  times
}: Pick<InstrumentCourse, "times" | "open" | "high" | "low" | "close">): ReadonlyArray<Candle> => {
  const stride = strideFor(times.length)
  const candles: Array<Candle> = []
  for (let first = 0; first < times.length; first += stride) {
    const end = Math.min(first + stride, times.length)
    let highest = Number.NEGATIVE_INFINITY
    let lowest = Number.POSITIVE_INFINITY
    for (let i = first; i < end; i++) {
      highest = Math.max(highest, high[i] as number)
      lowest = Math.min(lowest, low[i] as number)
    }
    candles.push({
      time: seconds(times[end - 1] as number),
      open: open[first] as number,
      high: highest,
      low: lowest,
      close: close[end - 1] as number
    })
  }
  return candles
}

/** Share of the highest value so far that has been lost again: 0 at a high, -0.1 ten percent below it. */
export const drawdownOf = (equity: Float64Array): Float64Array => {
  const drawdown = new Float64Array(equity.length)
  let peak = Number.NEGATIVE_INFINITY
  for (let i = 0; i < equity.length; i++) {
    peak = Math.max(peak, equity[i] as number)
    drawdown[i] = peak > 0 ? (equity[i] as number) / peak - 1 : 0
  }
  return drawdown
}

/** The first candle that closes at or after a time: where a mark about it is put. */
export const candleAt = (candles: ReadonlyArray<Candle>, epochMs: number): number | undefined => {
  const wanted = seconds(epochMs)
  let low = 0
  let high = candles.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((candles[middle] as Candle).time < wanted) low = middle + 1
    else high = middle
  }
  return candles[low]?.time
}

/** JSON that stands in a script of a page: it can end neither the script nor a string of it. */
export const scriptJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
