/**
 * The regular sessions of the New York exchanges, 09:30 to 16:00 in New York, by rule: holidays with the days on which
 * they are observed, early closes, daylight saving; and by list: the days on which it came otherwise.
 *
 * Holidays: New Year's Day (on a Sunday observed on Monday, on a Saturday not at all); Martin Luther King's birthday
 * (since 1998), Washington's birthday, Memorial Day, Labor Day; Good Friday; Juneteenth (since 2022), Independence Day
 * and Christmas (on a Saturday observed on Friday, on a Sunday on Monday); Thanksgiving.
 * Closes at 13:00: the day after Thanksgiving; 24 December from Monday to Thursday; 3 July on Monday, Tuesday and
 * Thursday (since 1995) and on Wednesday (since 2013), before that Friday 5 July (since 1996). Until 1992 the closes
 * around Thanksgiving and Christmas were at 14:00, the former in 1992 alone.
 * Sources: NYSE rule 7.2 and its list of special closings; daylight saving: Uniform Time Act as amended in 1986 and by
 * the Energy Policy Act of 2005.
 *
 * What can go wrong: a closing that is not foreseen here (a day of mourning, a storm) is a session to this calendar
 * until it is added to the list.
 * Invariant: outside the years below nothing is a session, rather than by rules that were others then.
 */

/** From the opening to the close, epoch milliseconds UTC. */
export interface Session {
  readonly opensAt: number
  readonly closesAt: number
}

/** Years that the rules hold for. */
export const nyseYears = { first: 1990, last: 2099 } as const

const dayMs = 86_400_000
const minuteMs = 60_000
const [monday, tuesday, wednesday, thursday, friday] = [1, 2, 3, 4, 5] as const

const opensAtMinute = 9 * 60 + 30
const closesAtMinute = 16 * 60

const dayOfDate = (date: string): number => Date.parse(date) / dayMs

/** Days of mourning, storms, 11 September. */
const specialClosures = new Set(
  [
    "1994-04-27",
    ...["2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14"],
    "2004-06-11",
    "2007-01-02",
    ...["2012-10-29", "2012-10-30"],
    "2018-12-05",
    "2025-01-09"
  ].map(dayOfDate)
)

/** Minutes after midnight in New York: snow twice, the day after Christmas twice, a circuit breaker, a broken system. */
const specialCloses = new Map(
  (
    [
      ["1994-02-11", 14 * 60 + 30],
      ["1996-01-08", 14 * 60],
      ["1997-10-27", 15 * 60 + 30],
      ["1997-12-26", 13 * 60],
      ["2003-12-26", 13 * 60],
      ["2005-06-01", 15 * 60 + 56]
    ] as const
  ).map(([date, minute]) => [dayOfDate(date), minute])
)

interface CalendarDate {
  readonly year: number
  /** From 1. */
  readonly month: number
  readonly date: number
  /** 1 is Monday, 0 Sunday. */
  readonly weekday: number
}

const dateOf = (day: number): CalendarDate => {
  const at = new Date(day * dayMs)
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    date: at.getUTCDate(),
    weekday: at.getUTCDay()
  }
}

const isBetween = (value: number, first: number, last: number): boolean => value >= first && value <= last

/** Good Friday as a day since 1970. Easter by Butcher's rule for the Gregorian calendar (Nature, 1876). */
const goodFriday = (year: number): number => {
  const a = year % 19
  const b = Math.floor(year / 100)
  const c = year % 100
  const g = Math.floor((8 * b + 13) / 25)
  const h = (19 * a + b - Math.floor(b / 4) - g + 15) % 30
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7
  const m = Math.floor((a + 11 * h + 22 * l) / 451)
  const n = h + l - 7 * m + 114
  return Date.UTC(year, Math.floor(n / 31) - 1, (n % 31) + 1) / dayMs - 2
}

/** Whether a holiday of that date is observed on this one: on Friday for Saturday, on Monday for Sunday. */
const isObserved = ({ date, weekday }: CalendarDate, holiday: number): boolean =>
  date === holiday ||
  (date === holiday - 1 && weekday === friday) ||
  (date === holiday + 1 && weekday === monday)

/** Of a weekday. */
const isHoliday = (day: number, on: CalendarDate): boolean => {
  const { date, month, weekday, year } = on
  switch (month) {
    case 1:
      if (date === 1 || (date === 2 && weekday === monday)) return true
      return year >= 1998 && weekday === monday && isBetween(date, 15, 21)
    case 2:
      return weekday === monday && isBetween(date, 15, 21)
    case 3:
    case 4:
      return weekday === friday && day === goodFriday(year)
    case 5:
      return weekday === monday && date >= 25
    case 6:
      return year >= 2022 && isObserved(on, 19)
    case 7:
      return isObserved(on, 4)
    case 9:
      return weekday === monday && date <= 7
    case 11:
      return weekday === thursday && isBetween(date, 22, 28)
    case 12:
      return isObserved(on, 25)
    default:
      return false
  }
}

/** Minutes after midnight in New York, of a day that has a session. */
const closeOf = (day: number, { date, month, weekday, year }: CalendarDate): number => {
  const special = specialCloses.get(day)
  if (special !== undefined) return special
  const early = year <= 1992 ? 14 * 60 : 13 * 60
  if (month === 12 && date === 24) return early
  if (month === 11 && weekday === friday && isBetween(date, 23, 29) && year >= 1992) return early
  if (month === 7 && date === 3) {
    const isEarly =
      weekday === wednesday ? year >= 2013 : [monday, tuesday, thursday].some((one) => one === weekday)
    return isEarly && year >= 1995 ? early : closesAtMinute
  }
  if (month === 7 && date === 5 && weekday === friday && isBetween(year, 1996, 2012)) return early
  return closesAtMinute
}

/** The first Sunday on or after a date. */
const sundayFrom = (year: number, month: number, date: number): number => {
  const first = Date.UTC(year, month - 1, date) / dayMs
  return first + ((7 - new Date(first * dayMs).getUTCDay()) % 7)
}

/** Minutes that New York is behind UTC in the daytime of a day. */
export const minutesBehindUtc = (day: number, year: number): number => {
  const [begins, ends] =
    year >= 2007
      ? [sundayFrom(year, 3, 8), sundayFrom(year, 11, 1)]
      : [sundayFrom(year, 4, 1), sundayFrom(year, 10, 25)]
  return day >= begins && day < ends ? 4 * 60 : 5 * 60
}

/** The session of a date, counted in days since 1970-01-01; undefined where there is none. */
export const nyseSessionOn = (day: number): Session | undefined => {
  const on = dateOf(day)
  const isWeekday = isBetween(on.weekday, monday, friday)
  if (!isWeekday || !isBetween(on.year, nyseYears.first, nyseYears.last)) return undefined
  if (specialClosures.has(day) || isHoliday(day, on)) return undefined
  const midnight = day * dayMs + minutesBehindUtc(day, on.year) * minuteMs
  return {
    opensAt: midnight + opensAtMinute * minuteMs,
    closesAt: midnight + closeOf(day, on) * minuteMs
  }
}
