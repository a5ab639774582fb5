/**
 * What was to be seen at an as-of of the longer time frames of an instrument: for each of them the last bars that were
 * closed, made of the bars that were visible by then. An interval that is not over has no bar.
 *
 * What can go wrong: a time frame that the book's does not go into is thrown (AggregationInvalid).
 * Invariants: the view at an as-of follows from what was visible by then, so that bars which come later, late or
 * corrected, change nothing of it; there are fewer bars than asked for where the book does not go back as far.
 */
import type { Calendar } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { type GapPolicy, type HigherBar, makeBarAggregator } from "./BarAggregator.ts"
import type { BarBook } from "./BarBook.ts"

export interface TimeFrameRequest {
  readonly timeFrame: TimeFrame
  /** Bars wanted, the last ones. */
  readonly bars: number
}

export interface TimeFrameBars {
  readonly timeFrame: TimeFrame
  /** Closed by the as-of, the oldest first. */
  readonly bars: ReadonlyArray<HigherBar>
}

export interface TimeFrameViewOptions {
  readonly asOf: number
  readonly frames: ReadonlyArray<TimeFrameRequest>
  readonly calendar: Calendar
  readonly gaps?: GapPolicy
}

export const timeFrameView = (
  book: BarBook,
  { asOf, calendar, frames, gaps = "keep-gap" }: TimeFrameViewOptions
): ReadonlyArray<TimeFrameBars> => {
  return frames.map(({ bars: wanted, timeFrame }) => {
    const aggregator = makeBarAggregator({ from: book.timeFrame, to: timeFrame, calendar, gaps })
    // An interval holds so many bars at the most, so that these reach back further than what is wanted, the one that is
    // not over, and the one that they begin within. How far back the complete ones lie nobody knows.
    const perInterval = toMs(timeFrame) / toMs(book.timeFrame) + 1
    const visible = book.asOfView(asOf, gaps === "require-complete" ? undefined : (wanted + 2) * perInterval)
    const closed = visible.flatMap((bar) => aggregator.push(bar))
    closed.push(...aggregator.closeUpTo(asOf))
    return { timeFrame, bars: closed.slice(Math.max(0, closed.length - wanted)) }
  })
}
