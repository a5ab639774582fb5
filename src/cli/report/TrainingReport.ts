/**
 * The report of a training as one HTML file: how it was made, how its losses went, whether its probabilities mean what
 * they say, and how it stands beside the baselines. It needs nothing beside itself.
 *
 * Invariant: equal trainings give equal reports, to the byte.
 */

import type { ClassReport } from "../../agents/training/ClassReport.ts"
import type { HeldOutReport } from "../../agents/training/HeldOut.ts"
import type { TrainedModel } from "../../agents/training/TrainedModel.ts"
import { trainingName } from "../../agents/training-host/HostTraining.ts"
import type { ComparisonTable } from "../../learning/evaluation/ComparisonTable.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import { instant } from "../format.ts"
import { classCells, verdictsOf } from "./comparisons.ts"
import { cell, facts, page } from "./page.ts"
import { chartSvg, escapeText } from "./svg.ts"

export interface TrainingReport {
  readonly digest: string
  readonly parameters: number
  /** Why it ended: all epochs, patience, … */
  readonly ended: string
  readonly model: TrainedModel
  readonly heldOut: HeldOutReport
}

const number = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(4))

const comparison = (title: string, table: ComparisonTable): string => {
  const names = [...new Set(table.rows.flatMap(({ metrics }) => metrics.map(({ name }) => name)))]
  const share = Math.round(table.confidence * 100)
  const header = ["model", ...names, `loss less that of ${table.baseline}`, `${share}% interval`, "verdict"]
  const rows = table.rows.map(({ interval, metrics, model, reason, verdict }) =>
    [
      cell(model),
      ...names.map((name) => {
        const metric = metrics.find((one) => one.name === name)
        return cell(metric === undefined ? "-" : number(metric.value), true)
      }),
      cell(interval === null ? "-" : number(interval.mean), true),
      cell(interval === null ? "-" : `${number(interval.low)} to ${number(interval.high)}`, true),
      cell(reason === "" ? verdict : `${verdict}: ${reason}`)
    ].join("")
  )
  const head = header.map((text) => `<th>${escapeText(text)}</th>`).join("")
  return `<h2>${escapeText(title)}</h2><table><tr>${head}</tr>${rows.map((row) => `<tr>${row}</tr>`).join("")}</table>`
}

/** Beside how it did on each class, how often the class was learned from and what it is worth. */
const classTable = ({ classes }: TrainedModel, report: ClassReport | undefined): string => {
  if (classes === undefined || report === undefined) return ""
  const [head = [], ...rows] = classCells(report)
  const learned = ["rows learned from", "weight in the loss", "return, in sigmas"]
  const header = [...head, ...learned].map((text) => `<th>${escapeText(text)}</th>`).join("")
  const lines = rows.map((row, k) => {
    const each = classes.each[k]
    const numbers = [each?.trainingRows ?? 0, each?.weight ?? 0, each?.value ?? 0].map(number)
    return `<tr>${[...row, ...numbers].map((text, i) => cell(text, i > 0)).join("")}</tr>`
  })
  return `${comparison("Classes, the most probable one of each row", report.errors)}<table><tr>${header}</tr>${lines.join("")}</table>`
}

const answers = ({ classes, horizonBars }: TrainedModel): string => {
  if (classes === undefined) return `the return over ${horizonBars} bars`
  const what =
    classes.kind === "candles"
      ? "the candle pattern that ends at the last bar"
      : `the strategy that is the best over ${horizonBars} bars`
  return `${what}, and what the classes are worth over ${horizonBars} bars`
}

const lossName = ({ classes }: TrainedModel): string =>
  classes === undefined ? "squared error, in sigmas" : "cross-entropy of the classes"

const madeHow = ({ digest, ended, model, parameters }: TrainingReport): string => {
  const { data, sequence, timeFrame, training } = model
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["network", JSON.stringify("trm" in training ? training.trm : training.network.body)],
    ["parameters", String(parameters)],
    [
      "sees",
      `${sequence.length} bars of ${timeFrame}, features "${sequence.features}" version ${sequence.version}`
    ],
    ["volumes", sequence.hasVolume ? "as in the file" : "none; 1 stands in their place"],
    ["answers", answers(model)],
    ["instruments", data.instruments.join(", ")],
    [
      "learned from",
      `${data.trainingRows} rows and validated on ${data.validationRows}, ${instant(data.from)} to ${instant(data.to)}`
    ],
    ["held out", `${data.heldOutRows} rows from ${instant(data.heldOutFrom)} on`],
    ["batches, rate, seed", `${training.batchRows} rows, ${training.schedule.rate}, ${training.seed}`],
    ["ended", ended],
    ["bars, SHA-256", data.digest],
    ["artefact, SHA-256", digest]
  ]
  return facts(rows)
}

export const renderTrainingReport = (report: TrainingReport): string => {
  const { heldOut, model } = report
  const kind = trainingName(model.training)
  const name = `${kind} on ${model.data.instruments.join(", ")}, ${model.timeFrame}`
  const losses = chartSvg({
    title: `Loss by epoch (${lossName(model)})`,
    x: "epoch",
    y: "loss",
    lines: [
      { name: "training", points: model.losses.map(({ training }, i) => [i + 1, training] as const) },
      { name: "validation", points: model.losses.map(({ validation }, i) => [i + 1, validation] as const) }
    ]
  })
  const reliability = chartSvg({
    title: "Reliability on held-out rows",
    x: "probability said",
    y: "share that happened",
    range: { x: [0, 1], y: [0, 1] },
    diagonal: true,
    dots: true,
    lines: sides.map((side) => {
      const { bins, expectedCalibrationError } = heldOut.reliability[side]
      return {
        name: `${side} (error ${expectedCalibrationError.toFixed(3)})`,
        points: bins.flatMap(({ meanProbability, observedRate }) =>
          meanProbability === null || observedRate === null ? [] : [[meanProbability, observedRate] as const]
        )
      }
    })
  })
  const verdicts = verdictsOf(heldOut).map((line) => `<li>${escapeText(line)}</li>`)
  return page(name, [
    `<ul>${verdicts.join("")}</ul>`,
    `<div class="charts">${losses}${reliability}</div>`,
    comparison("Sides (sell, hold, buy)", heldOut.sides),
    heldOut.beside === null ? "" : comparison("Beside the linear baseline", heldOut.beside),
    comparison("Returns, in sigmas of the horizon", heldOut.returns),
    ...(heldOut.classes === undefined ? [] : [classTable(model, heldOut.classes)]),
    `<h2>How it was made</h2>${madeHow(report)}`
  ])
}
