/** What a comparison with a baseline comes to, in words: only an interval that excludes zero is a difference. */
import type { ClassReport } from "../../agents/training/ClassReport.ts"
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
export const verdictsOf = ({ beside, classes, returns, sides }: HeldOutReport): ReadonlyArray<string> =>
  (
    [
      [sides, "log loss"],
      [beside, "log loss"],
      [returns, "squared error"],
      [classes?.errors ?? null, "share of wrong classes"]
    ] as const
  ).flatMap(([table, loss]) => {
    const row = table?.rows.at(-1)
    return table === null || row === undefined ? [] : [sentence(row, table, loss)]
  })

const classHeader = ["class", "rows", "precision", "recall", "F1"] as const

/** The header first; what cannot be said is "-". */
export const classCells = ({ classes }: ClassReport): ReadonlyArray<ReadonlyArray<string>> => {
  const share = (value: number | null) => (value === null ? "-" : value.toFixed(3))
  return [
    classHeader,
    ...classes.map(({ f1, name, precision, recall, rows }) => [
      name,
      String(rows),
      share(precision),
      share(recall),
      share(f1)
    ])
  ]
}

const renderClasses = (report: ClassReport): string => {
  const cells = classCells(report)
  const widths = classHeader.map((_, k) => Math.max(...cells.map((line) => (line[k] as string).length)))
  return cells
    .map((line) =>
      line
        .map((cell, k) => (k === 0 ? cell.padEnd(widths[k] as number) : cell.padStart(widths[k] as number)))
        .join("  ")
    )
    .join("\n")
}

export const renderHeldOut = (report: HeldOutReport): string =>
  [
    "Sides (sell, hold, buy):",
    renderComparison(report.sides),
    "",
    "Returns, in sigmas of the horizon:",
    renderComparison(report.returns),
    "",
    ...(report.classes === undefined
      ? []
      : [
          "Classes, the most probable one of each row:",
          renderComparison(report.classes.errors),
          "",
          renderClasses(report.classes),
          ""
        ]),
    ...verdictsOf(report)
  ].join("\n")
