/** What a comparison with a baseline comes to, in words: only an interval that excludes zero is a difference. */
import { type HeldOutReport, repeatLastName } from "../../agents/training/HeldOut.ts"
import {
  type ComparisonRow,
  type ComparisonTable,
  renderComparison
} from "../../learning/evaluation/ComparisonTable.ts"

const signed = (value: number): string => `${value > 0 ? "+" : ""}${Number(value.toPrecision(3))}`

const sentence = (
  { interval, model, reason, verdict }: ComparisonRow,
  { baseline: name, confidence }: ComparisonTable,
  loss: string
) => {
  const baseline = name === repeatLastName ? name : `the ${name}`
  if (interval === null) return `The ${model} cannot be compared with ${baseline} by its ${loss}: ${reason}`
  const { high, low, mean } = interval
  const spread = `${signed(mean)}, ${Math.round(confidence * 100)}% interval ${signed(low)} to ${signed(high)}`
  switch (verdict) {
    case "beats the baseline":
      return `The ${model} beats ${baseline} by its ${loss} (${spread}).`
    case "loses to the baseline":
      return `The ${model} does NOT beat ${baseline}: its ${loss} is higher (${spread}).`
    default:
      return `The ${model} does NOT beat ${baseline}: the difference of its ${loss} may be chance (${spread}).`
  }
}

/** The model is in the last row of every table. */
export const verdictsOf = ({ beside, returns, sides }: HeldOutReport): ReadonlyArray<string> =>
  (
    [
      [sides, "log loss"],
      [beside, "log loss"],
      [returns, "squared error"]
    ] as const
  ).flatMap(([table, loss]) => {
    const row = table?.rows.at(-1)
    return table === null || row === undefined ? [] : [sentence(row, table, loss)]
  })

export const renderHeldOut = (report: HeldOutReport): string =>
  [
    "Sides (sell, hold, buy):",
    renderComparison(report.sides),
    "",
    "Returns, in sigmas of the horizon:",
    renderComparison(report.returns),
    "",
    ...verdictsOf(report)
  ].join("\n")
