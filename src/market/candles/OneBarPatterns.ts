/**
 * Doji, hammer, inverted hammer, shooting star and hanging man by the definitions of TA-Lib. The candle itself
 * has the shape; where the bar before is asked, it is asked only for where it stood.
 *
 * Each is a function of the window that is called once after every push and gives 100 (or -100 for what is
 * always bearish), or 0 where there is no such candle at the newest bar. The words in the comments are the
 * settings of `CandleSettings.ts`.
 */
import { bodyDoji, bodyShort, near, shadowLong, shadowVeryShort } from "./CandleSettings.ts"
import { type CandleWindow, candleAverage } from "./CandleWindow.ts"

/** CDLDOJI: a body of at most a tenth of the average range. */
export const doji = (candles: CandleWindow): (() => number) => {
  const dojiBody = candleAverage(candles, bodyDoji, 0, bodyDoji.periodBars)
  return () => (candles.body(0) <= dojiBody() ? 100 : 0)
}

/** One bar more than the averages need: the bar before is looked at. */
const lookbackBars = bodyShort.periodBars + 1

/** A short body with a long shadow on one side and a very short one on the other. */
const longShadow = (candles: CandleWindow, side: "lower" | "upper"): (() => boolean) => {
  const shortBody = candleAverage(candles, bodyShort, 0, lookbackBars)
  const long = candleAverage(candles, shadowLong, 0, lookbackBars)
  const veryShort = candleAverage(candles, shadowVeryShort, 0, lookbackBars)
  const [tail, stub] =
    side === "lower" ? [candles.lowerShadow, candles.upperShadow] : [candles.upperShadow, candles.lowerShadow]
  return () => {
    const body = candles.body(0) < shortBody()
    const isLong = tail(0) > long()
    return stub(0) < veryShort() && body && isLong
  }
}

/** CDLHAMMER: a long lower shadow, and the body at, near or below the low before. */
export const hammer = (candles: CandleWindow): (() => number) => {
  const hasShape = longShadow(candles, "lower")
  const nearBefore = candleAverage(candles, near, 1, lookbackBars)
  return () => {
    const level = candles.low(1) + nearBefore()
    return hasShape() && candles.bodyBottom(0) <= level ? 100 : 0
  }
}

/** CDLHANGINGMAN: a long lower shadow, and the body at, near or above the high before. */
export const hangingMan = (candles: CandleWindow): (() => number) => {
  const hasShape = longShadow(candles, "lower")
  const nearBefore = candleAverage(candles, near, 1, lookbackBars)
  return () => {
    const level = candles.high(1) - nearBefore()
    return hasShape() && candles.bodyBottom(0) >= level ? -100 : 0
  }
}

/** CDLINVERTEDHAMMER: a long upper shadow, and the body wholly below the body before. */
export const invertedHammer = (candles: CandleWindow): (() => number) => {
  const hasShape = longShadow(candles, "upper")
  return () => (hasShape() && candles.bodyTop(0) < candles.bodyBottom(1) ? 100 : 0)
}

/** CDLSHOOTINGSTAR: a long upper shadow, and the body wholly above the body before. */
export const shootingStar = (candles: CandleWindow): (() => number) => {
  const hasShape = longShadow(candles, "upper")
  return () => (hasShape() && candles.bodyBottom(0) > candles.bodyTop(1) ? -100 : 0)
}
