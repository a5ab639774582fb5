/**
 * The real-wage stream: ln(W_t / W_t-12) - ln(P_t / P_t-12), with W a wage index, P a price index and t the latest month
 * whose figures were known at the as-of, as they were known then. A log change over twelve months; prices rose faster than
 * wages where it is below 0.
 */
import { unavailable, type WagesReading } from "../../protocols/Streams.ts"
import { dayMs } from "../time/Calendar.ts"
import { type DatedSeries, rowsKnownAt } from "./DatedSeries.ts"

export const wagesDefinition = 1

const index = { min: 1e-6, max: 1e12 } as const
export const wagesColumns = { wage_index: index, price_index: index } as const
export type WagesSeries = DatedSeries<keyof typeof wagesColumns>

/** Figures older than this are no news of now. */
const ageMaxMs = 400 * dayMs
const lookBackMs = ageMaxMs + 400 * dayMs

/** Months since the beginning of the calendar: whatever day of the month a date has. */
const monthOf = (time: number): number => {
  const date = new Date(time)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

export const realWagesAt = (series: WagesSeries | string, asOf: number): WagesReading => {
  if (typeof series === "string") return unavailable(series)
  const rows = rowsKnownAt(series, asOf - lookBackMs, asOf)
  const latest = rows.at(-1)
  if (latest === undefined) return unavailable("no figures of the last two years were known")
  if (asOf - latest.at > ageMaxMs) {
    return unavailable(`the latest figures are of ${new Date(latest.at).toISOString().slice(0, 10)}`)
  }
  const before = rows.findLast(({ at }) => monthOf(at) === monthOf(latest.at) - 12)
  if (before === undefined) {
    return unavailable(
      `there are no figures of twelve months before ${new Date(latest.at).toISOString().slice(0, 10)}`
    )
  }
  const change = (column: keyof typeof wagesColumns) =>
    Math.log(latest.values[column] / before.values[column])
  const [wageGrowth, priceGrowth] = [change("wage_index"), change("price_index")]
  return {
    status: "available",
    observedAt: latest.at,
    publishedAt: latest.knownAt,
    realGrowth: wageGrowth - priceGrowth,
    wageGrowth,
    priceGrowth
  }
}
