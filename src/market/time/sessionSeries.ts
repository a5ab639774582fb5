/**
 * A series of daily bars of which only dates are known, put on the calendar of an exchange: each bar then closes, and is
 * known, at the end of its session, and what is missing is counted in sessions.
 *
 * What can go wrong: bars of days on which there was no session (NotASession names the first).
 */
import { Either } from "effect"
import type { Calendar } from "../../protocols/Instrument.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import type { BarSeries } from "../BarSeries.ts"
import { countGaps } from "../BarSpacing.ts"
import { barsBetween } from "./Calendar.ts"
import { NotASession } from "./errors.ts"

export const sessionSeries = (
  series: BarSeries,
  calendar: Calendar
): Either.Either<BarSeries, NotASession> => {
  const { instrument, openTime, timeFrame } = series
  const frame = toMs(timeFrame)
  const outside = openTime.filter((time) => barsBetween(calendar, frame, time, time + frame) === 0)
  const [first] = outside
  if (first !== undefined) {
    const date = new Date(first).toISOString().slice(0, 10)
    return Either.left(new NotASession({ instrument: instrument.id, calendar, date, bars: outside.length }))
  }
  return Either.right({
    ...series,
    ...countGaps(openTime, timeFrame, calendar),
    instrument: { ...instrument, calendar }
  })
}
