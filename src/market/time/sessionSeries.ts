/**
 * A series of daily bars of which only dates are known, put on the calendar of an exchange: each bar then closes, and is
 * known, at the end of its session, and what is missing is counted in sessions.
 *
 * What can go wrong: bars of days on which there was no session. A few are dirt of the file and are left out; more of
 * them, and it is another calendar that the file follows (NotASession names the first).
 */
import { Either } from "effect"
import type { Calendar } from "../../protocols/Instrument.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import type { BarSeries } from "../BarSeries.ts"
import { countGaps } from "../BarSpacing.ts"
import { barsBetween } from "./Calendar.ts"
import { NotASession } from "./errors.ts"

/** Largest share of bars without a session that is left out: one in two hundred, a day of a year. */
export const straysShareMax = 0.005

export interface OnSessions {
  readonly series: BarSeries
  /** Open times of the bars that were left out. */
  readonly strays: Float64Array
}

const without = (series: BarSeries, isStray: (time: number) => boolean): BarSeries => {
  const kept = [...series.openTime.keys()].filter((i) => !isStray(series.openTime[i] as number))
  const pick = (column: Float64Array) => Float64Array.from(kept, (i) => column[i] as number)
  const close = pick(series.close)
  const { closeOnly, volume } = series
  return {
    ...series,
    openTime: pick(series.openTime),
    close,
    open: closeOnly ? close : pick(series.open),
    high: closeOnly ? close : pick(series.high),
    low: closeOnly ? close : pick(series.low),
    volume: volume === null ? null : pick(volume)
  }
}

/** @param shareMax largest share of bars without a session that is left out, if less than `straysShareMax` */
export const sessionSeries = (
  series: BarSeries,
  calendar: Calendar,
  shareMax = straysShareMax
): Either.Either<OnSessions, NotASession> => {
  const { instrument, openTime, timeFrame } = series
  const frame = toMs(timeFrame)
  const isStray = (time: number) => barsBetween(calendar, frame, time, time + frame) === 0
  const strays = openTime.filter(isStray)
  const [first] = strays
  if (first !== undefined && strays.length > Math.min(shareMax, straysShareMax) * openTime.length) {
    const date = new Date(first).toISOString().slice(0, 10)
    return Either.left(new NotASession({ instrument: instrument.id, calendar, date, bars: strays.length }))
  }
  const kept = first === undefined ? series : without(series, isStray)
  const gaps = countGaps(kept.openTime, timeFrame, calendar)
  return Either.right({ series: { ...kept, ...gaps, instrument: { ...instrument, calendar } }, strays })
}
