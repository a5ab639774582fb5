/**
 * What calendars tell of bars: when there are sessions, when a bar closes, how many bars there are to be in a stretch of
 * time, and where the intervals of a time frame begin.
 *
 * Intervals begin at multiples of the time frame from midnight UTC, weeks on Monday. Under `nyse` a bar of a day or more
 * closes with the last session that opens in it: a day dated 2018-11-23 at 18:00 UTC, an early close. Under `always` and
 * `weekdays`, and for shorter bars, it closes where its interval ends.
 *
 * What can go wrong: under `nyse` a bar of a day or more without a session (a holiday) closes where its interval ends;
 * `sessionSeries` leaves out or refuses such bars.
 */
import type { Calendar } from "../../protocols/Instrument.ts"
import { nyseSessionOn, type Session } from "./NyseSessions.ts"

export const dayMs = 86_400_000
const weekMs = 7 * dayMs
/** From the beginning of the epoch, a Thursday, to the first Monday. */
const firstMondayMs = 4 * dayMs

/** Days since 1970-01-01. */
export const dayOf = (time: number): number => Math.floor(time / dayMs)

/** Of a day since 1970-01-01; Saturday and Sunday. */
export const isWeekend = (day: number): boolean => (((day + 3) % 7) + 7) % 7 >= 5

/** Weekdays before a day; only differences mean something. */
export const weekdaysBefore = (day: number): number => {
  const sinceMonday = day + 3
  const weeks = Math.floor(sinceMonday / 7)
  return weeks * 5 + Math.min(sinceMonday - weeks * 7, 5)
}

/** The session of a date, counted in days since 1970-01-01; undefined where there is none. */
export const sessionOn = (calendar: Calendar, day: number): Session | undefined => {
  if (calendar === "nyse") return nyseSessionOn(day)
  return calendar === "weekdays" && isWeekend(day)
    ? undefined
    : { opensAt: day * dayMs, closesAt: (day + 1) * dayMs }
}

/** Where the interval begins that a time lies in. */
export const intervalStart = (frameMs: number, time: number): number => {
  const anchor = frameMs % weekMs === 0 ? firstMondayMs : 0
  return Math.floor((time - anchor) / frameMs) * frameMs + anchor
}

/** When the bar that begins there closes, epoch milliseconds UTC. */
export const closeTimeOf = (calendar: Calendar, frameMs: number, openTime: number): number => {
  const end = openTime + frameMs
  if (calendar !== "nyse" || frameMs < dayMs) return end
  for (let day = dayOf(end - 1); day >= dayOf(openTime); day--) {
    const session = nyseSessionOn(day)
    if (session !== undefined && session.opensAt >= openTime && session.opensAt < end) return session.closesAt
  }
  return end
}

/** Bars [from + k frame, from + (k + 1) frame), k = 0, 1, ..., that touch a session before `to`. */
export const barsBetween = (calendar: Calendar, frameMs: number, from: number, to: number): number => {
  if (to <= from) return 0
  if (calendar === "always" || frameMs % weekMs === 0) return Math.ceil((to - from) / frameMs)
  // By dates, so that it takes no longer for a century; and it does not matter at what time of the day bars begin.
  if (calendar === "weekdays" && frameMs === dayMs) {
    return weekdaysBefore(dayOf(to)) - weekdaysBefore(dayOf(from))
  }
  let bars = 0
  let next = 0
  for (let day = dayOf(from); day <= dayOf(to - 1); day++) {
    const session = sessionOn(calendar, day)
    if (session === undefined || session.opensAt >= to) continue
    const first = Math.max(next, Math.floor((session.opensAt - from) / frameMs))
    const past = Math.ceil((Math.min(session.closesAt, to) - from) / frameMs)
    if (past <= first) continue
    bars += past - first
    next = past
  }
  return bars
}
