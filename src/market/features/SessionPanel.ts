/**
 * The latest sessions of instruments that are followed together, made of their bars: by day (UTC), the last close of each
 * instrument and what was traded of it. A bounded fold, changed in place; bars of up to a day each, as they first came: a
 * correction does not change a session.
 *
 * What can go wrong: an instrument whose first bar comes while its session goes on has no volume on that day, since a part of a
 * day's volume says nothing of the day.
 * Invariants: days rise strictly; a day has bars; every column has a number for each instrument, NaN where it has none.
 */
import type { Bar } from "../../protocols/Bar.ts"
import type { Calendar } from "../../protocols/Instrument.ts"
import { dayOf, sessionOn } from "../time/Calendar.ts"

/** What the longest window of the features reaches over, and the session that is not over yet. */
export const sessionsMax = 22
/** Days that are kept: as many sessions of a calendar that has weekends and holidays, among days of one that has none. */
export const daysMax = 36

export interface PanelDay {
  /** Since 1970-01-01. */
  readonly day: number
  /** In the order of the instruments. */
  readonly closes: Float64Array
  /** Of the bars so far; NaN where one of them has none, or where they do not begin with the session. */
  readonly volumes: Float64Array
}

/**
 * Takes in a bar that is newer than all of its instrument.
 *
 * @param calendars of the instruments
 * @param place of the bar's instrument among them
 */
export const takeSessionBar = (
  days: Array<PanelDay>,
  calendars: ReadonlyArray<Calendar>,
  place: number,
  { close, openTime, volume }: Pick<Bar, "openTime" | "close" | "volume">
): void => {
  const day = dayOf(openTime)
  if (day > (days.at(-1)?.day ?? Number.NEGATIVE_INFINITY)) {
    const nothing = new Float64Array(calendars.length).fill(Number.NaN)
    days.push({ day, closes: nothing, volumes: nothing.slice() })
    if (days.length > daysMax) days.shift()
  }
  const own = days.findLast((one) => one.day === day)
  // Of a day that is gone, or on which nobody else had bars: it came too late to make a session.
  if (own === undefined) return
  if (Number.isNaN(own.closes[place])) {
    const wasSeen = days.some(({ closes }) => !Number.isNaN(closes[place]))
    const session = sessionOn(calendars[place] as Calendar, day)
    const isWhole = wasSeen || session === undefined || openTime <= session.opensAt
    own.volumes[place] = isWhole ? 0 : Number.NaN
  }
  own.closes[place] = close
  own.volumes[place] = (own.volumes[place] as number) + (volume ?? Number.NaN)
}

/** A session of the panel: what came of it, or nothing. */
export interface Session {
  readonly day: number
  /** When the last of the calendars that have it closes it. */
  readonly closesAt: number
  readonly columns: PanelDay | null
}

/**
 * The latest sessions, oldest first: the days on which most of the calendars have one, whether anything came or not. On other
 * days most of the panel would be missing, and its windows with it.
 *
 * @param calendars of the panel's instruments, one each
 */
export const sessionsOf = (
  days: ReadonlyArray<PanelDay>,
  calendars: ReadonlyArray<Calendar>
): ReadonlyArray<Session> => {
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) return []
  const byDay = new Map(days.map((columns) => [columns.day, columns]))
  const distinct = [...new Set(calendars)].map((calendar) => ({
    calendar,
    instruments: calendars.filter((one) => one === calendar).length
  }))
  const sessions: Array<Session> = []
  for (let day = last.day; day >= first.day && sessions.length < sessionsMax; day--) {
    let open = 0
    let closesAt = Number.NEGATIVE_INFINITY
    for (const { calendar, instruments } of distinct) {
      const session = sessionOn(calendar, day)
      if (session === undefined) continue
      open += instruments
      closesAt = Math.max(closesAt, session.closesAt)
    }
    if (open > calendars.length / 2) sessions.push({ day, closesAt, columns: byDay.get(day) ?? null })
  }
  return sessions.reverse()
}
