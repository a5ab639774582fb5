/**
 * The candle patterns of a history, bar by bar, by TA-Lib's definitions with its default settings.
 *
 * The incremental form is the definition: push a bar, get the patterns that end at it. The batch form is its
 * fold. A value is 100 or -100 (80 or -80 where two bodies share an end, see `TwoBarPatterns.ts`), positive for
 * bullish; a doji takes no side and is 100. 0 means no pattern, as during the look-back.
 *
 * What can go wrong: a bar with a number that is not finite, and columns of unequal length, are thrown.
 * Invariants: patterns of a truncated history equal those of the whole one at the same bar. They depend on the
 * last 14 bars, and by the last bit of a running total on where the history began: on an exact tie two histories
 * that begin at different bars may disagree, as they do in TA-Lib.
 *
 * A close-only series (open = high = low = close) consists of dojis from the 11th bar on, and nothing else: a
 * body of 0 is not above a tenth of an average of 0. That is TA-Lib's answer too, and says nothing of a market.
 */
import type { BarColumns } from "../BarSeries.ts"
import { type CandleWindow, makeCandleWindow } from "./CandleWindow.ts"
import { ColumnsUneven } from "./errors.ts"
import { doji, hammer, hangingMan, invertedHammer, shootingStar } from "./OneBarPatterns.ts"
import { eveningStar, morningStar, threeBlackCrows, threeWhiteSoldiers } from "./ThreeBarPatterns.ts"
import { engulfing, harami } from "./TwoBarPatterns.ts"

export interface CandlePattern {
  readonly name: string
  /** What TA-Lib calls it. */
  readonly talibName: string
  /** Candles that have the shape. */
  readonly bars: 1 | 2 | 3
  readonly recogniser: (candles: CandleWindow) => () => number
}

export const candlePatterns = [
  { name: "doji", talibName: "CDLDOJI", bars: 1, recogniser: doji },
  { name: "hammer", talibName: "CDLHAMMER", bars: 1, recogniser: hammer },
  { name: "inverted hammer", talibName: "CDLINVERTEDHAMMER", bars: 1, recogniser: invertedHammer },
  { name: "shooting star", talibName: "CDLSHOOTINGSTAR", bars: 1, recogniser: shootingStar },
  { name: "hanging man", talibName: "CDLHANGINGMAN", bars: 1, recogniser: hangingMan },
  { name: "engulfing", talibName: "CDLENGULFING", bars: 2, recogniser: engulfing },
  { name: "harami", talibName: "CDLHARAMI", bars: 2, recogniser: harami },
  { name: "morning star", talibName: "CDLMORNINGSTAR", bars: 3, recogniser: morningStar },
  { name: "evening star", talibName: "CDLEVENINGSTAR", bars: 3, recogniser: eveningStar },
  { name: "three white soldiers", talibName: "CDL3WHITESOLDIERS", bars: 3, recogniser: threeWhiteSoldiers },
  { name: "three black crows", talibName: "CDL3BLACKCROWS", bars: 3, recogniser: threeBlackCrows }
] as const satisfies ReadonlyArray<CandlePattern>

export type CandlePatternName = (typeof candlePatterns)[number]["name"]

/** One value for each of `candlePatterns`, in their order. */
export type PatternValues = Int8Array

export interface CandlePatternStream {
  /**
   * Takes the next bar, prices in any one unit, and gives the patterns that end at it. The array is the
   * stream's own and holds until the next push.
   */
  readonly push: (open: number, high: number, low: number, close: number) => PatternValues
}

export const makeCandlePatternStream = (): CandlePatternStream => {
  const candles = makeCandleWindow()
  const recognisers = candlePatterns.map(({ recogniser }) => recogniser(candles))
  const values = new Int8Array(recognisers.length)
  return {
    push: (open, high, low, close) => {
      candles.push(open, high, low, close)
      for (const [i, recognise] of recognisers.entries()) values[i] = recognise()
      return values
    }
  }
}

export type PriceColumns = Pick<BarColumns, "open" | "high" | "low" | "close">

/** Calls back with each bar's patterns from the first bar to the last. */
export const forEachBarPatterns = (
  columns: PriceColumns,
  take: (values: PatternValues, bar: number) => void
): void => {
  const { close, high, low, open } = columns
  for (const [column, { length: rows }] of Object.entries({ high, low, close })) {
    if (rows !== open.length) throw new ColumnsUneven({ column, rows, rowsExpected: open.length })
  }
  const stream = makeCandlePatternStream()
  for (let i = 0; i < open.length; i++) {
    take(stream.push(open[i] as number, high[i] as number, low[i] as number, close[i] as number), i)
  }
}

/** One column of values for each of `candlePatterns`, in their order, as long as the price columns. */
export const candlePatternColumns = (columns: PriceColumns): ReadonlyArray<Int8Array> => {
  const found = candlePatterns.map(() => new Int8Array(columns.open.length))
  forEachBarPatterns(columns, (values, bar) => {
    for (const [i, column] of found.entries()) column[bar] = values[i] as number
  })
  return found
}
