/**
 * `conclave evaluate --benchmark forecast`: the forecasting table of the papers on a data set of theirs, closed forms and
 * networks that are trained for it then and there.
 */
import { Effect } from "effect"
import { type ForecastDataset, type ForecastFile, readForecastFile } from "../agents/training/forecastFile.ts"
import {
  checkForecast,
  type ForecastReport,
  forecastHorizonMax,
  forecastNetworks,
  judgeForecasts
} from "../agents/training/judgeForecasts.ts"
import { publishedBatch } from "../learning/evaluation/ForecastProtocol.ts"
import type { ForecastEntry, ForecastProgress, ForecastRow } from "../learning/training/ForecastBenchmark.ts"
import { monotonicMs } from "../runtime/MonotonicClock.ts"
import { UsageError } from "./errors.ts"
import { progressBar } from "./format.ts"
import { note, table, writeJson, writeLine } from "./output.ts"
import { builtScripts } from "./processes.ts"
import type { LoadedSettings } from "./settings.ts"

export interface ForecastBenchmarkOptions {
  readonly data: string
  readonly dataset: ForecastDataset
  readonly horizon: number
  /** Names, with commas between them, or `all` or `none`. */
  readonly networks: string
  readonly json: boolean
}

const barWidth = 24
const lineChars = 120

const chosenNetworks = (file: ForecastFile, networks: string) =>
  Effect.gen(function* () {
    const known = forecastNetworks(file)
    if (networks === "all") return [...known.values()]
    const names = networks === "none" ? [] : networks.split(",").map((name) => name.trim().toLowerCase())
    const chosen: Array<ForecastEntry> = []
    for (const name of new Set(names)) {
      const entry = known.get(name)
      if (entry === undefined) {
        const there = [...known.keys()].join(", ")
        return yield* new UsageError({
          reason: `--networks: there is no "${name}" in the benchmark, there are ${there}, or all, or none.`
        })
      }
      chosen.push(entry)
    }
    return chosen
  })

/** One line that changes on a terminal, a line an epoch elsewhere. */
const showProgress = (entries: ReadonlyArray<ForecastEntry>) => {
  const isTerminal = process.stderr.isTTY === true
  const draw = (text: string) => Effect.sync(() => void process.stderr.write(text))
  return ({ event, model }: ForecastProgress): Effect.Effect<void> => {
    const epochs = entries.find(({ name }) => name === model)?.epochsMax ?? event.epoch + 1
    if (event.type === "progress") {
      if (!isTerminal) return Effect.void
      const bar = progressBar((event.epoch + event.batch / event.batches) / epochs, barWidth)
      const line = `${model}, epoch ${event.epoch + 1}/${epochs} ${bar} loss ${event.loss.toFixed(4)}`
      // A line that wraps could not be taken back.
      return draw(`\r\u001b[2K${line.slice(0, (process.stderr.columns ?? lineChars) - 1)}`)
    }
    const best = event.isBest ? " (the best)" : ""
    const losses = `loss ${event.trainingLoss.toFixed(4)}, validation ${event.validationLoss.toFixed(4)}${best}`
    const clear = isTerminal ? "\r\u001b[2K" : ""
    return draw(`${clear}conclave: ${model}, epoch ${event.epoch + 1}/${epochs}: ${losses}\n`)
  }
}

const signed = (value: number): string => `${value > 0 ? "+" : ""}${Number(value.toPrecision(3))}`

const render = (file: ForecastFile, horizon: number, { comparison, parts, rows }: ForecastReport): string => {
  const [first] = rows as readonly [ForecastRow, ...ReadonlyArray<ForecastRow>]
  const { columns, rows: count } = file.series
  const size = ({ end, first: from }: { readonly first: number; readonly end: number }) => end - from
  const share = `${Math.round(comparison.confidence * 100)}%`
  const header = [
    "model",
    "input",
    "MSE",
    "MAE",
    "MSE, all",
    "MAE, all",
    `difference, ${share} interval`,
    "verdict"
  ]
  const lines = rows.map(({ inputLength, model, published, scores }, i) => {
    const { interval, reason, verdict } = comparison.rows[i] as (typeof comparison.rows)[number]
    const spread =
      interval === null
        ? "-"
        : `${signed(interval.mean)} (${signed(interval.low)} to ${signed(interval.high)})`
    return [
      model,
      String(inputLength),
      published.mse.toFixed(3),
      published.mae.toFixed(3),
      scores.mse.toFixed(4),
      scores.mae.toFixed(4),
      spread,
      reason === "" ? verdict : `${verdict}: ${reason}`
    ]
  })
  return [
    `${count} rows x ${columns} columns: ${size(parts.train)} to train on, ${size(parts.validation)} to validate on, ${size(parts.test)} to judge by; horizon ${horizon}.`,
    "Errors on values standardised by the training rows, over all steps and columns of the windows:",
    `MSE and MAE over ${first.published.windows} windows, whole batches of ${publishedBatch}, as published; "all" over all ${first.scores.windows}.`,
    "",
    table([header, ...lines]),
    "",
    `The difference is the MSE over all windows less that of ${comparison.baseline}; below zero is better.`
  ].join("\n")
}

/** One object with everything that the table has. */
const jsonOf = (
  file: ForecastFile,
  { data, dataset, horizon }: ForecastBenchmarkOptions,
  seed: number,
  entries: ReadonlyArray<ForecastEntry>,
  { comparison, parts, rows, scaling }: ForecastReport
) => {
  const [first] = rows as readonly [ForecastRow, ...ReadonlyArray<ForecastRow>]
  return {
    type: "forecast-benchmark",
    dataset,
    data,
    digest: file.digest,
    rows: file.series.rows,
    columns: file.names,
    horizon,
    protocol: {
      parts,
      stride: 1,
      windows: { all: first.scores.windows, published: first.published.windows, batch: publishedBatch },
      scaling: { by: "mean and population standard deviation of the training rows, by column", ...scaling }
    },
    seeds: { networks: seed, bootstrap: seed },
    baseline: comparison.baseline,
    confidence: comparison.confidence,
    models: rows.map(({ inputLength, model, published, scores }, i) => {
      const row = comparison.rows[i]
      const entry = entries.find(({ name }) => name === model)
      return {
        model,
        kind: entry === undefined ? "closed form" : "network",
        inputLength,
        published: { mse: published.mse, mae: published.mae },
        all: { mse: scores.mse, mae: scores.mae },
        ...(entry === undefined
          ? {}
          : {
              training: {
                network: entry.body(horizon),
                rate: entry.rate,
                batchRows: entry.batchRows,
                epochsMax: entry.epochsMax
              }
            }),
        difference: row?.interval ?? null,
        blockLength: row?.blockLength ?? null,
        verdict: row?.verdict,
        reason: row?.reason
      }
    })
  }
}

export const forecastBenchmark = ({ value: settings }: LoadedSettings, options: ForecastBenchmarkOptions) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const startedAt = now()
    const { data, dataset, horizon, networks } = options
    if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= forecastHorizonMax)) {
      return yield* new UsageError({
        reason: `--horizon ${horizon} is not between 1 and ${forecastHorizonMax}.`
      })
    }
    const scripts = yield* builtScripts
    const file = yield* Effect.flatMap(readForecastFile(data, dataset), (read) =>
      checkForecast(read, horizon)
    )
    const entries = yield* chosenNetworks(file, networks)
    const names = entries.map(({ name }) => name).join(", ")
    yield* note(`conclave: closed forms first${names === "" ? "" : `, then ${names}`}`)
    const { seed } = settings.run
    const report = yield* judgeForecasts(file, {
      horizon,
      entries,
      seed,
      script: scripts.modelHost,
      tell: showProgress(entries)
    }).pipe(
      Effect.onInterrupt(() =>
        note(`${process.stderr.isTTY === true ? "\n" : ""}conclave: stopped; there is no table`)
      )
    )
    if (options.json) {
      const result = jsonOf(file, options, seed, entries, report)
      return yield* writeJson({ ...result, wallTimeMs: Math.round(now() - startedAt) })
    }
    yield* writeLine(`${dataset}, ${render(file, horizon, report)}`)
  })
