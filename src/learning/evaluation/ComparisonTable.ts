/**
 * Models beside a baseline, with the one verdict that counts: a model beats the baseline only where the 95% interval
 * of the paired block bootstrap of its loss difference lies below zero.
 *
 * What can go wrong: losses that cannot be compared (too few, of another number, not finite) are told in their row,
 * which then has no interval and no claim. Each verdict is at 95% for itself: with twenty models that are as good as
 * the baseline one is expected to stand out one way or the other.
 * Invariants: pure data, equal inputs and key give equal tables; a row does not depend on which others there are.
 */
import { Either } from "effect"
import type { Metric } from "../../protocols/Model.ts"
import type { Steps } from "../steps.ts"
import {
  blockLengthFor,
  confidenceDefault,
  type DifferenceInterval,
  differencesOf,
  pairedBlockBootstrap
} from "./BlockBootstrap.ts"
import { EvaluationInvalid } from "./errors.ts"

/** A model as it was judged, over the same outcomes in time order as all others of the table. */
export interface Judged {
  readonly model: string
  readonly metrics: ReadonlyArray<Metric>
  /** One per outcome, lower for better. */
  readonly losses: Float64Array
}

export type Verdict =
  | "is the baseline"
  | "beats the baseline"
  | "loses to the baseline"
  | "no difference shown"
  | "not comparable"

export interface ComparisonRow {
  readonly model: string
  readonly metrics: ReadonlyArray<Metric>
  /** Of the mean loss less the baseline's: below zero for better. Null for the baseline, and where there is none. */
  readonly interval: DifferenceInterval | null
  /** Null where no interval was drawn. */
  readonly blockLength: number | null
  readonly verdict: Verdict
  /** Why it is not comparable; empty otherwise. */
  readonly reason: string
}

export interface ComparisonTable {
  readonly baseline: string
  readonly outcomes: number
  readonly confidence: number
  /** The baseline first. */
  readonly rows: ReadonlyArray<ComparisonRow>
}

export interface ComparisonOptions {
  /** Consecutive outcomes that share part of their horizons: see `blockLengthFor`. */
  readonly overlap: number
  /** Names the random stream: of all rows the same, so that models are judged on the same resamples. */
  readonly key: ReadonlyArray<string | number>
}

export function* compareModels(
  baseline: Judged,
  models: ReadonlyArray<Judged>,
  options: ComparisonOptions
): Steps<ComparisonTable> {
  const names = new Set([baseline, ...models].map(({ model }) => model))
  if (names.size !== models.length + 1) {
    throw new EvaluationInvalid({ part: "the table", reason: "has two models of one name" })
  }
  const rows: Array<ComparisonRow> = [
    {
      model: baseline.model,
      metrics: baseline.metrics,
      interval: null,
      blockLength: null,
      verdict: "is the baseline",
      reason: ""
    }
  ]
  for (const model of models) rows.push(yield* rowOf(model, baseline, options))
  return {
    baseline: baseline.model,
    outcomes: baseline.losses.length,
    confidence: confidenceDefault,
    rows
  }
}

function* rowOf(
  { model, metrics, losses }: Judged,
  baseline: Judged,
  options: ComparisonOptions
): Steps<ComparisonRow> {
  const notComparable = ({ message }: Error): ComparisonRow => ({
    model,
    metrics,
    interval: null,
    blockLength: null,
    verdict: "not comparable",
    reason: message
  })
  const differences = differencesOf(losses, baseline.losses)
  if (Either.isLeft(differences)) return notComparable(differences.left)
  const blockLength = yield* blockLengthFor(differences.right, options.overlap)
  const interval = yield* pairedBlockBootstrap(losses, baseline.losses, {
    blockLength,
    key: options.key
  })
  if (Either.isLeft(interval)) return notComparable(interval.left)
  return {
    model,
    metrics,
    interval: interval.right,
    blockLength,
    verdict: verdictOf(interval.right),
    reason: ""
  }
}

const verdictOf = ({ low, high }: DifferenceInterval): Verdict =>
  high < 0 ? "beats the baseline" : low > 0 ? "loses to the baseline" : "no difference shown"

const digits = 4

const show = (value: number): string => (Number.isInteger(value) ? String(value) : value.toPrecision(digits))

const showSigned = (value: number): string => (value > 0 ? `+${show(value)}` : show(value))

/** Plain text: a line per model, its metrics in the order in which they first appear. */
export const renderComparison = (table: ComparisonTable): string => {
  const names = [...new Set(table.rows.flatMap(({ metrics }) => metrics.map(({ name }) => name)))]
  const share = `${Math.round(table.confidence * 100)}%`
  const header = ["model", ...names, "difference", `${share} interval`, "verdict"]
  const lines = table.rows.map(({ model, metrics, interval, verdict, reason }) => [
    model,
    ...names.map((name) => {
      const metric = metrics.find((one) => one.name === name)
      return metric === undefined ? "-" : show(metric.value)
    }),
    interval === null ? "-" : showSigned(interval.mean),
    interval === null ? "-" : `${showSigned(interval.low)} to ${showSigned(interval.high)}`,
    reason === "" ? verdict : `${verdict}: ${reason}`
  ])
  const widths = header.map((title, i) =>
    Math.max(title.length, ...lines.map((line) => (line[i] as string).length))
  )
  const last = header.length - 1
  const text = [header, ...lines].map((line) =>
    line
      .map((cell, i) =>
        i === 0 || i === last ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)
      )
      .join("  ")
      .trimEnd()
  )
  const outcomes = `Mean loss less that of ${table.baseline}, over ${table.outcomes} outcomes; below zero is better.`
  return [...text, outcomes].join("\n")
}
