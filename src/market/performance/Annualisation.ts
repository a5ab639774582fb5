/**
 * How many bars make a year, by the calendar of the instrument: 365 days where trading never stops, 252 sessions where
 * there are weekends and holidays.
 *
 * Means grow with the number of bars and deviations with its root, as for independent returns (Lo, The Statistics of Sharpe
 * Ratios, Financial Analysts Journal, 2002).
 */
import type { Calendar } from "../../protocols/Instrument.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs
const daysPerYear = 365
const sessionsPerYear = 252

/** How long trading goes on in a day that has any; on weekdays it only stops at weekends. */
const sessionMs: Readonly<Record<Exclude<Calendar, "always">, number>> = {
  weekdays: dayMs,
  nyse: 6.5 * hourMs
}

export const barsPerYear = (timeFrame: TimeFrame, calendar: Calendar): number => {
  const frame = toMs(timeFrame)
  // Weeks are as long everywhere, holidays or not.
  if (calendar === "always" || frame % weekMs === 0) return (daysPerYear * dayMs) / frame
  if (frame >= dayMs) return (sessionsPerYear * dayMs) / frame
  // The last bar of a session may be cut short by its end.
  return sessionsPerYear * Math.ceil(sessionMs[calendar] / frame)
}
