/**
 * Morning and evening star, three white soldiers and three black crows by the definitions of TA-Lib.
 *
 * Each is a function of the window that is called once after every push and gives 100 (bullish), -100
 * (bearish), or 0 where there is no such pattern at the newest bar. Every average is taken over the bars before
 * the candle it is compared with, so that each of the three has its own.
 */
import { bodyLong, bodyShort, far, near, shadowVeryShort, starPenetration } from "./CandleSettings.ts"
import { type CandleWindow, candleAverage } from "./CandleWindow.ts"

const starLookbackBars = bodyLong.periodBars + 2

/** What both stars share: a long body, then a short one, then one that is not short. */
const starBodies = (candles: CandleWindow): (() => boolean) => {
  const first = candleAverage(candles, bodyLong, 2, starLookbackBars)
  const star = candleAverage(candles, bodyShort, 1, starLookbackBars)
  const last = candleAverage(candles, bodyShort, 0, starLookbackBars)
  return () => {
    const isLong = candles.body(2) > first()
    const isShort = candles.body(1) <= star()
    return candles.body(0) > last() && isLong && isShort
  }
}

/** CDLMORNINGSTAR: black, then a gap down between bodies, then white and well into the first body. */
export const morningStar = (candles: CandleWindow): (() => number) => {
  const haveBodies = starBodies(candles)
  return () =>
    haveBodies() &&
    !candles.isWhite(2) &&
    candles.bodyTop(1) < candles.bodyBottom(2) &&
    candles.isWhite(0) &&
    candles.close(0) > candles.close(2) + candles.body(2) * starPenetration
      ? 100
      : 0
}

/** CDLEVENINGSTAR: white, then a gap up between bodies, then black and well into the first body. */
export const eveningStar = (candles: CandleWindow): (() => number) => {
  const haveBodies = starBodies(candles)
  return () =>
    haveBodies() &&
    candles.isWhite(2) &&
    candles.bodyBottom(1) > candles.bodyTop(2) &&
    !candles.isWhite(0) &&
    candles.close(0) < candles.close(2) - candles.body(2) * starPenetration
      ? -100
      : 0
}

/** The lags of the three candles, from the first to the last. */
const three = [2, 1, 0] as const

const soldiersLookbackBars = shadowVeryShort.periodBars + 2

/**
 * CDL3WHITESOLDIERS: three white candles that close higher and higher with very short upper shadows; the second
 * and third open within or near the body before and are not far shorter than it; the third is not short.
 */
export const threeWhiteSoldiers = (candles: CandleWindow): (() => number) => {
  const shadows = three.map((lag) => candleAverage(candles, shadowVeryShort, lag, soldiersLookbackBars))
  const nears = [2, 1].map((lag) => candleAverage(candles, near, lag, soldiersLookbackBars))
  const fars = [2, 1].map((lag) => candleAverage(candles, far, lag, soldiersLookbackBars))
  const shortBody = candleAverage(candles, bodyShort, 0, soldiersLookbackBars)
  return () => {
    const shadowMax = shadows.map((average) => average())
    const nearMax = nears.map((average) => average())
    const farMax = fars.map((average) => average())
    const bodyMin = shortBody()
    for (const [i, lag] of three.entries()) {
      if (!candles.isWhite(lag) || !(candles.upperShadow(lag) < (shadowMax[i] as number))) return 0
    }
    for (const [i, lag] of [1, 0].entries()) {
      const before = lag + 1
      const follows =
        candles.close(lag) > candles.close(before) &&
        candles.open(lag) > candles.open(before) &&
        candles.open(lag) <= candles.close(before) + (nearMax[i] as number) &&
        candles.body(lag) > candles.body(before) - (farMax[i] as number)
      if (!follows) return 0
    }
    return candles.body(0) > bodyMin ? 100 : 0
  }
}

/** The candle before the three is looked at as well. */
const crowsLookbackBars = shadowVeryShort.periodBars + 3

/**
 * CDL3BLACKCROWS: after a white candle, three black ones that close lower and lower with very short lower
 * shadows; the first closes below the high of the white one, the others open within the body before.
 */
export const threeBlackCrows = (candles: CandleWindow): (() => number) => {
  const shadows = three.map((lag) => candleAverage(candles, shadowVeryShort, lag, crowsLookbackBars))
  return () => {
    const shadowMax = shadows.map((average) => average())
    for (const [i, lag] of three.entries()) {
      if (candles.isWhite(lag) || !(candles.lowerShadow(lag) < (shadowMax[i] as number))) return 0
    }
    for (const lag of [1, 0]) {
      const before = lag + 1
      const follows =
        candles.open(lag) < candles.open(before) &&
        candles.open(lag) > candles.close(before) &&
        candles.close(lag) < candles.close(before)
      if (!follows) return 0
    }
    return candles.isWhite(3) && candles.high(3) > candles.close(2) ? -100 : 0
  }
}
