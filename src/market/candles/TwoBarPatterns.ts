/**
 * Engulfing and harami by the definitions of TA-Lib, bullish and bearish.
 *
 * Each is a function of the window that is called once after every push and gives 100 or -100 where one body
 * lies strictly within the other, 80 or -80 where they share an end, and 0 where there is no such pattern at
 * the newest bar.
 */
import { bodyLong, bodyShort } from "./CandleSettings.ts"
import { type CandleWindow, candleAverage } from "./CandleWindow.ts"

/** TA-Lib does not look at the first two bars, although one before would do. */
const engulfingLookbackBars = 2

/** CDLENGULFING: a body that covers the one before, which has the other colour. The sign is the newest colour's. */
export const engulfing =
  (candles: CandleWindow): (() => number) =>
  () => {
    if (candles.bars() <= engulfingLookbackBars || candles.isWhite(0) === candles.isWhite(1)) return 0
    const above = candles.bodyTop(0) - candles.bodyTop(1)
    const below = candles.bodyBottom(1) - candles.bodyBottom(0)
    if (above < 0 || below < 0 || (above === 0 && below === 0)) return 0
    return (candles.isWhite(0) ? 1 : -1) * (above === 0 || below === 0 ? 80 : 100)
  }

const haramiLookbackBars = bodyLong.periodBars + 1

/** CDLHARAMI: a short body within the long one before. The sign is against the colour of the long one. */
export const harami = (candles: CandleWindow): (() => number) => {
  const longBody = candleAverage(candles, bodyLong, 1, haramiLookbackBars)
  const shortBody = candleAverage(candles, bodyShort, 0, haramiLookbackBars)
  return () => {
    const isLong = candles.body(1) > longBody()
    const isShort = candles.body(0) <= shortBody()
    if (!isLong || !isShort) return 0
    const above = candles.bodyTop(1) - candles.bodyTop(0)
    const below = candles.bodyBottom(0) - candles.bodyBottom(1)
    if (above < 0 || below < 0) return 0
    return (candles.isWhite(1) ? -1 : 1) * (above === 0 || below === 0 ? 80 : 100)
  }
}
