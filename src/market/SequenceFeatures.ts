/**
 * What networks see of each bar: numbers that follow from the bar and a few before it, so that a history cut off at the
 * as-of gives the same as the whole one. A network sees a sequence of them, the oldest bar first.
 *
 * `bars`, with c the close, v the root mean square of the last 20 log returns:
 * - ret_1, ret_5, ret_20: log return over so many bars;
 * - volatility_20: v;
 * - range: (high - low) / close;
 * - position: of the close between low (0) and high (1); 0.5 where they are the same;
 * - volume_ratio: volume over its mean over 20 bars, this one among them;
 * - momentum_10: log return over 10 bars over v sqrt(10); 0 where nothing has moved;
 * - time_sin, time_cos: the end of the bar's interval on the circle of the day (UTC); of the week, from Monday on, where
 *   a bar takes a day or more. It is the same under every calendar: a session's close moves with daylight saving.
 *
 * `candles`: log of open, high, low and close over the close before, and volume_ratio.
 *
 * `returns`: ret_1 alone.
 *
 * Where the source has no volume, one of the 20 bars has none, or none was traded in them, volume_ratio is 1, as in a market
 * whose volume never changes; `hasVolume` of the artefact's description says whether the source has any. In a close-only
 * series range is 0 and position 0.5.
 * Invariant: of bars that are sound all features are finite.
 */
import { toMs } from "../protocols/TimeFrame.ts"
import type { BarSeries } from "./BarSeries.ts"

export type SequenceBars = Pick<
  BarSeries,
  "openTime" | "open" | "high" | "low" | "close" | "volume" | "timeFrame"
>

export interface SequenceFeatures {
  /** Of the definitions above. */
  readonly version: number
  readonly names: ReadonlyArray<string>
  /** Bars before the first one that has features. */
  readonly lookBack: number
  /** Writes the features of a bar, which has `lookBack` before it, from `at` on. */
  readonly fill: (bars: SequenceBars, index: number, out: Float32Array | Float64Array, at: number) => void
}

const version = 1
const window = 20
const momentumBars = 10
const dayMs = 86_400_000
/** From the beginning of the epoch, a Thursday, to the first Monday. */
const firstMondayMs = 4 * dayMs

const logReturn = (closes: Float64Array, index: number, bars: number): number =>
  Math.log((closes[index] as number) / (closes[index - bars] as number))

const volatilityAt = (closes: Float64Array, index: number): number => {
  let squares = 0
  for (let i = index - window + 1; i <= index; i++) squares += logReturn(closes, i, 1) ** 2
  return Math.sqrt(squares / window)
}

const volumeRatioAt = ({ volume }: SequenceBars, index: number): number => {
  if (volume === null) return 1
  let sum = 0
  for (let i = index - window + 1; i <= index; i++) sum += volume[i] as number
  const mean = sum / window
  // NaN where one of them has none.
  return mean > 0 ? (volume[index] as number) / mean : 1
}

const angleAt = ({ openTime, timeFrame }: SequenceBars, index: number): number => {
  const frame = toMs(timeFrame)
  const end = (openTime[index] as number) + frame
  const [since, circle] = frame < dayMs ? [end, dayMs] : [end - firstMondayMs, 7 * dayMs]
  return (2 * Math.PI * (since % circle)) / circle
}

const bars: SequenceFeatures = {
  version,
  names: [
    ...["ret_1", "ret_5", "ret_20", "volatility_20", "range"],
    ...["position", "volume_ratio", "momentum_10", "time_sin", "time_cos"]
  ],
  lookBack: window,
  fill: (series, index, out, at) => {
    const { close } = series
    const [last, high, low] = [close[index], series.high[index], series.low[index]] as [
      number,
      number,
      number
    ]
    const volatility = volatilityAt(close, index)
    const angle = angleAt(series, index)
    out[at] = logReturn(close, index, 1)
    out[at + 1] = logReturn(close, index, 5)
    out[at + 2] = logReturn(close, index, 20)
    out[at + 3] = volatility
    out[at + 4] = (high - low) / last
    out[at + 5] = high > low ? (last - low) / (high - low) : 0.5
    out[at + 6] = volumeRatioAt(series, index)
    out[at + 7] =
      volatility > 0 ? logReturn(close, index, momentumBars) / (volatility * Math.sqrt(momentumBars)) : 0
    out[at + 8] = Math.sin(angle)
    out[at + 9] = Math.cos(angle)
  }
}

const candles: SequenceFeatures = {
  version,
  names: ["open", "high", "low", "close", "volume_ratio"],
  lookBack: window - 1,
  fill: (series, index, out, at) => {
    const before = series.close[index - 1] as number
    ;[series.open, series.high, series.low, series.close].forEach((prices, i) => {
      out[at + i] = Math.log((prices[index] as number) / before)
    })
    out[at + 4] = volumeRatioAt(series, index)
  }
}

const returns: SequenceFeatures = {
  version,
  names: ["ret_1"],
  lookBack: 1,
  fill: ({ close }, index, out, at) => {
    out[at] = logReturn(close, index, 1)
  }
}

export const sequenceFeatures = { bars, candles, returns } as const
export type SequenceFeaturesName = keyof typeof sequenceFeatures

/** Bars that have to be there for a sequence of this length to end at the last of them. */
export const barsNeeded = ({ lookBack }: Pick<SequenceFeatures, "lookBack">, length: number): number =>
  lookBack + length

/** Names of the columns of a sequence, the oldest bar first: `ret_1-59` is that of 59 bars before the as-of. */
export const sequenceColumns = (
  { names }: Pick<SequenceFeatures, "names">,
  length: number
): ReadonlyArray<string> =>
  Array.from({ length }, (_, i) => length - 1 - i).flatMap((ago) => names.map((name) => `${name}-${ago}`))
