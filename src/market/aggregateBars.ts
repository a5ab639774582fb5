/**
 * A series of a longer time frame from one of a shorter: the fold of `makeBarAggregator`, whose header says how bars are
 * put together and what becomes of missing ones.
 *
 * What can go wrong: a time frame that is no multiple of the series' own, or longer than it altogether (TimeFrameUnfit).
 * Invariant: of a series that was cut off, all bars but perhaps the last are the same.
 */
import { Either } from "effect"
import { type TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { type BarSeries, ColumnsBuilder } from "./BarSeries.ts"
import { countGaps } from "./BarSpacing.ts"
import { TimeFrameUnfit } from "./errors.ts"
import { addsUp, type GapPolicy, makeBarAggregator } from "./time/BarAggregator.ts"

export const aggregateBars = (
  series: BarSeries,
  timeFrame: TimeFrame,
  gaps: GapPolicy = "keep-gap"
): Either.Either<BarSeries, TimeFrameUnfit> => {
  const unfit = (reason: string) =>
    Either.left(new TimeFrameUnfit({ instrument: series.instrument.id, timeFrame, reason }))
  if (toMs(timeFrame) === toMs(series.timeFrame)) return Either.right(series)
  if (!addsUp(series.timeFrame, timeFrame)) {
    return unfit(`its bars of ${series.timeFrame} do not add up to that`)
  }
  const { close, closeOnly, high, instrument, low, open, openTime, volume } = series
  const { calendar } = instrument
  const aggregator = makeBarAggregator({ from: series.timeFrame, to: timeFrame, calendar, gaps })
  const builder = new ColumnsBuilder(closeOnly, volume !== null)
  // One object for all bars: the aggregator keeps none of them.
  const bar = { openTime: 0, open: 0, high: 0, low: 0, close: 0, volume: null as number | null, knownAt: 0 }
  const bars = openTime.length
  for (let i = 0; i < bars; i++) {
    bar.openTime = openTime[i] as number
    bar.open = open[i] as number
    bar.high = high[i] as number
    bar.low = low[i] as number
    bar.close = close[i] as number
    const traded = volume?.[i] ?? Number.NaN
    bar.volume = Number.isNaN(traded) ? null : traded
    for (const one of aggregator.push(bar)) {
      builder.push(one.openTime, one.close, one.open, one.high, one.low, one.volume ?? Number.NaN)
    }
  }
  if (builder.length === 0) return unfit(`its ${bars} bars do not fill one`)
  const columns = builder.finish()
  return Either.right({
    ...columns,
    ...countGaps(columns.openTime, timeFrame, calendar),
    instrument,
    timeFrame
  })
}
