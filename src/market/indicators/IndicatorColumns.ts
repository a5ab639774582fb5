/**
 * The usual indicators of a history, bar by bar, with the parameters that their names say and TA-Lib's values.
 *
 * The incremental form is the definition: push a bar, get every indicator at it. The batch form is its fold.
 * NaN is a value that is not there: during the look-back (`lookbackBars`), and, for money flow and on-balance
 * volume, throughout a series without volume and at a bar that has none, behind which the two begin anew.
 *
 * What can go wrong: a bar with a price or a volume that is not finite, and columns of unequal length, are thrown.
 * Invariants: indicators of a truncated history equal those of the whole one at the same bar. What is smoothed
 * exponentially (and, in the last digits, every running sum) remembers where the history began.
 */
import type { BarColumns } from "../BarSeries.ts"
import { BarNotFinite, ColumnsUneven } from "../candles/errors.ts"
import { bollingerBands, standardDeviation } from "./Deviation.ts"
import { aroon, stochastic, williamsR } from "./Extremes.ts"
import { momentum, movingAverageConvergence, rateOfChange, relativeStrengthIndex } from "./Momentum.ts"
import { exponentialMovingAverage, simpleMovingAverage, weightedMovingAverage } from "./MovingAverages.ts"
import { parabolicSar } from "./ParabolicSar.ts"
import { averageTrueRange, directionalMovement, trueRange } from "./TrueRange.ts"
import { commodityChannelIndex, moneyFlowIndex, onBalanceVolume } from "./TypicalPrice.ts"

/** The bars at the beginning of a history that have no value, by name. */
export const lookbackBars = {
  sma20: 19,
  ema20: 19,
  wma20: 19,
  rsi14: 14,
  macd: 33,
  macd_signal: 33,
  macd_hist: 33,
  bb_upper: 19,
  bb_middle: 19,
  bb_lower: 19,
  atr14: 14,
  true_range: 1,
  adx14: 27,
  plus_di14: 14,
  minus_di14: 14,
  stoch_slowk_14_3: 17,
  stoch_slowd_3: 17,
  willr14: 13,
  cci20: 19,
  mfi14: 14,
  obv: 0,
  roc10: 10,
  mom10: 10,
  stddev20: 19,
  aroon_down14: 14,
  aroon_up14: 14,
  sar_002_02: 1
} as const

export type IndicatorName = keyof typeof lookbackBars

export const indicatorNames = Object.keys(lookbackBars) as ReadonlyArray<IndicatorName>

export type IndicatorValues = Readonly<Record<IndicatorName, number>>

export interface IndicatorStream {
  /** Takes the next bar, prices in any one unit; the volume, NaN where it has none, is not looked at in a series without. */
  readonly push: (high: number, low: number, close: number, volume: number) => IndicatorValues
}

export const makeIndicatorStream = (hasVolume: boolean): IndicatorStream => {
  const sma = simpleMovingAverage(20)
  const ema = exponentialMovingAverage(20)
  const wma = weightedMovingAverage(20)
  const rsi = relativeStrengthIndex(14)
  const macd = movingAverageConvergence(12, 26, 9)
  const bands = bollingerBands(20, 2)
  const atr = averageTrueRange(14)
  const range = trueRange()
  const direction = directionalMovement(14)
  const stoch = stochastic(14, 3, 3)
  const willr = williamsR(14)
  const cci = commodityChannelIndex(20)
  let mfi = moneyFlowIndex(14)
  let obv = onBalanceVolume()
  const roc = rateOfChange(10)
  const mom = momentum(10)
  const deviation = standardDeviation(20)
  const aroon14 = aroon(14)
  const sar = parabolicSar({ step: 0.02, stepMax: 0.2 })

  let bars = 0
  return {
    push: (high, low, close, volume) => {
      const isFinite = Number.isFinite(high) && Number.isFinite(low) && Number.isFinite(close)
      if (!isFinite || (hasVolume && Math.abs(volume) === Number.POSITIVE_INFINITY)) {
        throw new BarNotFinite({ bar: bars })
      }
      bars++
      const isTold = hasVolume && !Number.isNaN(volume)
      if (hasVolume && !isTold) {
        mfi = moneyFlowIndex(14)
        obv = onBalanceVolume()
      }
      const { histogram, macd: line, signal } = macd(close)
      const { lower, middle, upper } = bands(close)
      const { adx, minus, plus } = direction(high, low, close)
      const { slowD, slowK } = stoch(high, low, close)
      const { down, up } = aroon14(high, low)
      return {
        sma20: sma(close),
        ema20: ema(close),
        wma20: wma(close),
        rsi14: rsi(close),
        macd: line,
        macd_signal: signal,
        macd_hist: histogram,
        bb_upper: upper,
        bb_middle: middle,
        bb_lower: lower,
        atr14: atr(high, low, close),
        true_range: range(high, low, close),
        adx14: adx,
        plus_di14: plus,
        minus_di14: minus,
        stoch_slowk_14_3: slowK,
        stoch_slowd_3: slowD,
        willr14: willr(high, low, close),
        cci20: cci(high, low, close),
        mfi14: isTold ? mfi(high, low, close, volume) : Number.NaN,
        obv: isTold ? obv(close, volume) : Number.NaN,
        roc10: roc(close),
        mom10: mom(close),
        stddev20: deviation(close),
        aroon_down14: down,
        aroon_up14: up,
        sar_002_02: sar(high, low)
      }
    }
  }
}

export type VolumeColumns = Pick<BarColumns, "high" | "low" | "close" | "volume">

export type IndicatorColumns = Readonly<Record<IndicatorName, Float64Array>>

/** Every indicator as a column as long as those given. */
export const indicatorColumns = (columns: VolumeColumns): IndicatorColumns => {
  const { close, high, low, volume } = columns
  const bars = high.length
  for (const [column, { length: rows }] of Object.entries({ low, close, volume: volume ?? high })) {
    if (rows !== bars) throw new ColumnsUneven({ column, rows, rowsExpected: bars })
  }
  const stream = makeIndicatorStream(volume !== null)
  const found = Object.fromEntries(indicatorNames.map((name) => [name, new Float64Array(bars)])) as Record<
    IndicatorName,
    Float64Array
  >
  for (let bar = 0; bar < bars; bar++) {
    const values = stream.push(
      high[bar] as number,
      low[bar] as number,
      close[bar] as number,
      volume === null ? 0 : (volume[bar] as number)
    )
    for (const name of indicatorNames) found[name][bar] = values[name]
  }
  return found
}
