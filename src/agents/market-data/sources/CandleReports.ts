/**
 * Counts the reports of a market's latest candles, since an exchange tells no revisions: a candle that says something else
 * than before has one more than its last report, whether history or a live connection brings it, and whichever of them.
 *
 * Invariants: of one candle, what differs has another revision, and later reports the higher; so many of the latest candles
 * are remembered, and what opens before them is passed as it is.
 */
import type { Bar } from "../../../protocols/Bar.ts"
import { isSameReport } from "../Corrections.ts"

/** Gives a bar the revision of its report. */
export type CandleReports = (bar: Bar) => Bar

export const makeCandleReports = (frameMs: number, candlesMax: number): CandleReports => {
  const recent = new Map<number, Bar>()
  let latest = Number.NEGATIVE_INFINITY
  return (bar) => {
    const { openTime } = bar
    if (openTime <= latest - candlesMax * frameMs) return bar
    const known = recent.get(openTime)
    if (known !== undefined && isSameReport(known, bar)) return { ...bar, revision: known.revision }
    const report = known === undefined ? bar : { ...bar, revision: known.revision + 1 }
    recent.set(openTime, report)
    if (openTime > latest) {
      latest = openTime
      for (const kept of recent.keys()) if (kept <= latest - candlesMax * frameMs) recent.delete(kept)
    }
    return report
  }
}
