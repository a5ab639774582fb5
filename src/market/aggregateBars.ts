/**
 * Bars of a longer time frame from those of a shorter one: the first open, the highest high, the lowest low, the last
 * close, the sum of the volumes of what lies in each longer interval. Intervals begin at multiples of the time frame from
 * midnight UTC (weeks on Monday), whatever the series begins with.
 *
 * What can go wrong: a time frame that is no multiple of the series' own, or longer than it altogether
 * (TimeFrameUnfit). Intervals in which bars are missing are made of the others.
 * Invariants: an interval counts only when it is over, and its bar follows from what lies in it alone: of a series that
 * was cut off, all bars but perhaps the last are the same.
 */
import { Either } from "effect"
import { type TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { type BarSeries, ColumnsBuilder } from "./BarSeries.ts"
import { countGaps } from "./BarSpacing.ts"
import { TimeFrameUnfit } from "./errors.ts"

const weekMs = 604_800_000
/** From the beginning of the epoch, a Thursday, to the first Monday. */
const firstMondayMs = 345_600_000

export const aggregateBars = (
  series: BarSeries,
  timeFrame: TimeFrame
): Either.Either<BarSeries, TimeFrameUnfit> => {
  const own = toMs(series.timeFrame)
  const frame = toMs(timeFrame)
  const unfit = (reason: string) =>
    Either.left(new TimeFrameUnfit({ instrument: series.instrument.id, timeFrame, reason }))
  if (frame === own) return Either.right(series)
  if (frame % own !== 0) return unfit(`its bars of ${series.timeFrame} do not add up to that`)

  const { close, closeOnly, high, low, open, openTime, volume } = series
  const builder = new ColumnsBuilder(closeOnly, volume !== null)
  const anchor = frame % weekMs === 0 ? firstMondayMs : 0
  const startOf = (index: number) =>
    Math.floor(((openTime[index] as number) - anchor) / frame) * frame + anchor
  const bars = openTime.length
  for (let first = 0; first < bars; ) {
    const start = startOf(first)
    let end = first
    let highest = Number.NEGATIVE_INFINITY
    let lowest = Number.POSITIVE_INFINITY
    let traded = 0
    for (; end < bars && startOf(end) === start; end++) {
      highest = Math.max(highest, high[end] as number)
      lowest = Math.min(lowest, low[end] as number)
      traded += volume?.[end] ?? 0
    }
    // The series may begin or end within an interval.
    const isWhole = first > 0 || openTime[first] === start
    const isOver = end < bars || (openTime[end - 1] as number) + own >= start + frame
    if (isWhole && isOver) {
      builder.push(start, close[end - 1] as number, open[first] as number, highest, lowest, traded)
    }
    first = end
  }
  if (builder.length === 0) return unfit(`its ${bars} bars do not fill one`)
  const columns = builder.finish()
  return Either.right({
    ...columns,
    ...countGaps(columns.openTime, timeFrame, series.instrument.calendar),
    instrument: series.instrument,
    timeFrame
  })
}
