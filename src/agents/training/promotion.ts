/**
 * Whether what was trained may vote in the place of the voter that there is: only where the 95% intervals of its loss
 * differences to the base rate and to that voter, on what was held out, lie below zero.
 */
import type { ComparisonRow } from "../../learning/evaluation/ComparisonTable.ts"
import type { Metric } from "../../protocols/Model.ts"
import type { HeldOutReport } from "./HeldOut.ts"

export interface Promotion {
  readonly isBetter: boolean
  /** For people: beside whom, and what came of it. */
  readonly verdict: string
  readonly metrics: ReadonlyArray<Metric>
}

const intervalMetrics = (name: string, row: ComparisonRow | undefined): ReadonlyArray<Metric> =>
  row?.interval == null
    ? []
    : [
        { name: `${name}-difference`, value: row.interval.mean },
        { name: `${name}-difference-low`, value: row.interval.low },
        { name: `${name}-difference-high`, value: row.interval.high }
      ]

/** @param voter its name in metrics, and for people; where it could not be fitted, the base rate alone decides */
export const promotionOf = (
  report: HeldOutReport,
  voter: { readonly metric: string; readonly name: string }
): Promotion => {
  const base = report.sides.rows.at(-1)
  const beside = report.beside?.rows.at(-1)
  const beats = "beats the baseline"
  return {
    isBetter: base?.verdict === beats && (beside === undefined || beside.verdict === beats),
    verdict: `beside ${beside === undefined ? "the base rate" : voter.name}: ${(beside ?? base)?.verdict ?? "not comparable"}`,
    metrics: [...intervalMetrics("base", base), ...intervalMetrics(voter.metric, beside)]
  }
}
