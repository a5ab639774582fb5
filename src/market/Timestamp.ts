/**
 * Times as bar files write them, read as UTC: ISO 8601 (`2020-10-23T08:00:00Z`, with a blank for the `T`,
 * without the seconds, with an offset, or without a zone), a date alone (`2020-10-23`, `20201023`), or an
 * epoch in seconds, milliseconds or microseconds.
 *
 * The unit of an epoch is told by its size, row by row, because files that mix units exist: up to eleven
 * digits are seconds, up to fourteen milliseconds, up to seventeen microseconds. Numbers of fewer than nine
 * digits are no epochs (eight digits are a date), so that an epoch before March 1973 is not read at all
 * rather than read wrongly. Local and ambiguous spellings (01/02/2020) are not read.
 */

const zero = 0x30

/** The number that `count` digits spell, or NaN. */
const digits = (text: string, from: number, count: number): number => {
  if (from + count > text.length) return Number.NaN
  let value = 0
  for (let i = from; i < from + count; i++) {
    const digit = text.charCodeAt(i) - zero
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

const daysInMonth = (year: number, month: number): number => {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const dateMs = (year: number, month: number, day: number): number =>
  month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)
    ? Date.UTC(year, month - 1, day)
    : Number.NaN

/** Minutes east of Greenwich: of "", "Z", "+02:00", "+0200" and "+02". */
const offsetMinutes = (zone: string): number => {
  if (zone === "" || zone === "Z" || zone === "z" || zone === " UTC") return 0
  const sign = zone[0] === "+" ? 1 : zone[0] === "-" ? -1 : Number.NaN
  const minutesAt = zone[3] === ":" ? 4 : 3
  const hours = digits(zone, 1, 2)
  const minutes = zone.length === 3 ? 0 : digits(zone, minutesAt, 2)
  if (zone.length !== 3 && zone.length !== minutesAt + 2) return Number.NaN
  return hours <= 18 && minutes <= 59 ? sign * (hours * 60 + minutes) : Number.NaN
}

const timeOfDayMs = (text: string): number => {
  const hours = digits(text, 11, 2)
  const minutes = digits(text, 14, 2)
  if (text[13] !== ":" || !(hours <= 23 && minutes <= 59)) return Number.NaN
  let seconds = 0
  let fractionMs = 0
  let at = 16
  if (text[at] === ":") {
    seconds = digits(text, at + 1, 2)
    if (!(seconds <= 59)) return Number.NaN
    at += 3
    if (text[at] === "." || text[at] === ",") {
      const from = ++at
      while (digits(text, at, 1) >= 0) at++
      if (at === from) return Number.NaN
      // What is finer than a millisecond is cut off.
      fractionMs = Number(text.slice(from, Math.min(at, from + 3)).padEnd(3, "0"))
    }
  }
  const zoneMs = offsetMinutes(text.slice(at)) * 60_000
  return hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + fractionMs - zoneMs
}

const epoch = /^\d{9,17}(\.\d*)?$/

const epochMs = (text: string): number => {
  if (!epoch.test(text)) return Number.NaN
  const value = Number(text)
  if (value < 1e11) return Math.round(value * 1_000)
  return Math.floor(value < 1e14 ? value : value / 1_000)
}

/** Whether the text is a date without a time of day. */
export const isDateOnly = (text: string): boolean =>
  text.length === 8 || (text.length === 10 && text[4] === "-")

/** Milliseconds since 1970, UTC; negative before it; NaN where the text is no time that is read here. */
export const parseTimestamp = (text: string): number => {
  if (text[4] === "-" && text[7] === "-") {
    const day = dateMs(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2))
    if (text.length === 10) return day
    const separator = text[10]
    return separator === "T" || separator === " " || separator === "t" ? day + timeOfDayMs(text) : Number.NaN
  }
  return text.length === 8
    ? dateMs(digits(text, 0, 4), digits(text, 4, 2), digits(text, 6, 2))
    : epochMs(text)
}
