/**
 * What the times of bars tell: how long a bar is, on which days the market trades, and what is missing.
 *
 * - The time frame is the most frequent difference of consecutive times of one instrument, the smaller one on
 *   a tie. Files with dates alone are daily, unless every difference is a multiple of seven days and the most
 *   frequent one is a week. Where there is no difference at all, the file name may say it.
 * - The calendar is `weekdays` where bars are daily, none begins on a Saturday or Sunday (UTC), and at least
 *   one weekend lies between the first and the last of some instrument; otherwise `always`.
 * - A gap is a place between two consecutive bars of an instrument where the calendar has bars. Under
 *   `always` every missing interval counts, nights and weekends too; under `weekdays` weekends do not count
 *   and missing weekdays do, holidays among them; under `nyse` what touches no session does not count. What lies
 *   before the first or after the last bar is no gap.
 *
 * Gaps are counted and left as they are: nothing is filled in, an instrument simply has no bar at that as-of.
 */
import type { Calendar } from "../protocols/Instrument.ts"
import { fromMs, TimeFrame, toMs } from "../protocols/TimeFrame.ts"
import { barsBetween, dayMs, dayOf, isWeekend, weekdaysBefore } from "./time/Calendar.ts"

const weekMs = 7 * dayMs
/** With fewer differences than this, dates seven days apart may as well be days of a thin series. */
const weeklyDifferencesMin = 3

interface Differences {
  readonly total: number
  readonly mostFrequent: number
  readonly allWholeWeeks: boolean
}

const differencesOf = (seriesTimes: ReadonlyArray<Float64Array>): Differences => {
  const counts = new Map<number, number>()
  let total = 0
  let allWholeWeeks = true
  for (const times of seriesTimes) {
    for (let i = 1; i < times.length; i++) {
      const difference = (times[i] as number) - (times[i - 1] as number)
      counts.set(difference, (counts.get(difference) ?? 0) + 1)
      if (difference % weekMs !== 0) allWholeWeeks = false
      total++
    }
  }
  let mostFrequent = 0
  let best = 0
  for (const [difference, count] of counts) {
    if (count > best || (count === best && difference < mostFrequent)) {
      mostFrequent = difference
      best = count
    }
  }
  return { total, mostFrequent, allWholeWeeks }
}

const daily = TimeFrame.make("1d")
const weekly = TimeFrame.make("1w")
const timeFrameToken = /^[1-9][0-9]{0,3}[smhdw]$/

/** The time frame, or the reason why there is none. */
export const inferTimeFrame = (options: {
  readonly seriesTimes: ReadonlyArray<Float64Array>
  readonly dateOnly: boolean
  /** The parts of the file name, asked only where the times say nothing. */
  readonly nameTokens: ReadonlyArray<string>
}): { readonly timeFrame: TimeFrame } | { readonly reason: string } => {
  const { total, mostFrequent, allWholeWeeks } = differencesOf(options.seriesTimes)
  if (options.dateOnly) {
    const isWeekly = total >= weeklyDifferencesMin && allWholeWeeks && mostFrequent === weekMs
    return { timeFrame: isWeekly ? weekly : daily }
  }
  if (total === 0) {
    const token = options.nameTokens.find((part) => timeFrameToken.test(part))
    return token === undefined
      ? { reason: "no instrument has two bars, so that there is no difference of times" }
      : { timeFrame: TimeFrame.make(token) }
  }
  const timeFrame = fromMs(mostFrequent)
  return timeFrame === undefined
    ? { reason: `the most frequent difference of its times is ${mostFrequent} ms` }
    : { timeFrame }
}

export const inferCalendar = (seriesTimes: ReadonlyArray<Float64Array>, timeFrame: TimeFrame): Calendar => {
  if (toMs(timeFrame) !== dayMs) return "always"
  let spansWeekend = false
  for (const times of seriesTimes) {
    for (let i = 0; i < times.length; i++) if (isWeekend(dayOf(times[i] as number))) return "always"
    const first = dayOf(times[0] ?? 0)
    const last = dayOf(times[times.length - 1] ?? 0)
    if (last - first > weekdaysBefore(last) - weekdaysBefore(first)) spansWeekend = true
  }
  return spansWeekend ? "weekdays" : "always"
}

/** Gaps (places) and the bars missing there, of rising times. */
export const countGaps = (
  times: Float64Array,
  timeFrame: TimeFrame,
  calendar: Calendar
): { readonly gaps: number; readonly barsMissing: number } => {
  const frameMs = toMs(timeFrame)
  let gaps = 0
  let barsMissing = 0
  for (let i = 1; i < times.length; i++) {
    const before = times[i - 1] as number
    const now = times[i] as number
    const missing =
      calendar === "always"
        ? Math.round((now - before) / frameMs) - 1
        : barsBetween(calendar, frameMs, before + frameMs, now)
    if (missing > 0) {
      gaps++
      barsMissing += missing
    }
  }
  return { gaps, barsMissing }
}
