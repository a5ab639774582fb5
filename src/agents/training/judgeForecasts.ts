/**
 * The papers' forecasting table on one data set: closed forms, and networks that are trained for it, in a model host.
 *
 * Judged as published (whole batches of 32 windows) and over all windows; whether a row is better than repeat-last, an
 * interval says, for windows of stride 1 share all but one step of their horizons.
 *
 * What can go wrong: a table too short for the protocol, or one that cannot be fitted (InputTableUnfit); a training that
 * is refused; the process that computes (ChildFailed).
 * Invariant: equal tables, networks and seeds give equal rows.
 */
import { Effect, Either, type Scope } from "effect"
import { TrainingRefused } from "../../learning/errors.ts"
import * as Baselines from "../../learning/evaluation/Baselines.ts"
import {
  type ComparisonTable,
  compareModels,
  type Judged
} from "../../learning/evaluation/ComparisonTable.ts"
import {
  evaluateForecaster,
  type ForecastScores,
  type Parts,
  publishedBatch,
  publishedParts,
  publishedWindows,
  standardise
} from "../../learning/evaluation/ForecastProtocol.ts"
import { ridgesDefault } from "../../learning/evaluation/LinearForecast.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import { type Windows, wholeBatches } from "../../learning/evaluation/Windows.ts"
import {
  type ForecastEntry,
  type ForecastProgress,
  type ForecastRow,
  forecastBenchmark,
  forecastEntries
} from "../../learning/training/ForecastBenchmark.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { ChildFailed } from "../../runtime/errors.ts"
import { InputTableUnfit } from "./errors.ts"
import type { ForecastFile } from "./forecastFile.ts"
import { openIn, startGraphHost } from "./GraphHost.ts"
import { repeatLastName } from "./HeldOut.ts"
import { trainingMemoryBytesMax } from "./trainNetwork.ts"

/** The longest of the papers. */
export const forecastHorizonMax = 720

/** Inputs of the closed forms. */
const shortInput = 96
const longInput = 336

/** A run, or the making of a session, that takes longer is taken to hang. */
const runMsMax = 120_000

/** The networks that can be entered, by the name that a command gives them. */
export const forecastNetworks = (file: ForecastFile): ReadonlyMap<string, ForecastEntry> =>
  new Map(forecastEntries(file.protocol).map((entry) => [entry.name.toLowerCase(), entry]))

export interface ForecastOptions {
  readonly horizon: number
  readonly entries: ReadonlyArray<ForecastEntry>
  readonly seed: number
  /** The model host's program. */
  readonly script: string
  readonly tell: (progress: ForecastProgress) => Effect.Effect<void>
}

export interface ForecastReport {
  readonly parts: Parts
  /** By which each column was standardised. */
  readonly scaling: { readonly means: ReadonlyArray<number>; readonly deviations: ReadonlyArray<number> }
  readonly rows: ReadonlyArray<ForecastRow>
  /** Squared errors of all windows, beside repeat-last. */
  readonly comparison: ComparisonTable
}

const closedRow = (model: string, test: Windows, scores: ForecastScores): ForecastRow => {
  const { count } = wholeBatches(test, publishedBatch)
  const squaredErrors = scores.squaredErrors.subarray(0, count)
  const absoluteErrors = scores.absoluteErrors.subarray(0, count)
  const mse = mean(squaredErrors)
  const mae = mean(absoluteErrors)
  const published = { windows: count, mse, mae, squaredErrors, absoluteErrors }
  return { model, inputLength: test.inputLength, scores, published }
}

const unfitTable = (path: string, before: string) =>
  Either.mapLeft(
    ({ message }: Error) =>
      new InputTableUnfit({
        path,
        reason: `${before} (${message.replace(/^The /, "the ").replace(/\.$/, "")})`
      })
  )

const windowsOf = ({ path, protocol, series }: ForecastFile, horizon: number, inputLength: number) =>
  publishedWindows(protocol, series, { inputLength, horizon }).pipe(
    unfitTable(path, `its ${series.rows} rows do not do for a horizon of ${horizon}`)
  )

/** Whether there are windows to train on, to validate on and to judge by; then there is a whole batch of them, too. */
export const checkForecast = (
  file: ForecastFile,
  horizon: number
): Either.Either<ForecastFile, InputTableUnfit> =>
  Either.map(
    Either.all([windowsOf(file, horizon, shortInput), windowsOf(file, horizon, longInput)]),
    () => file
  )

/** Those that the benchmark of the learning room does not have. */
const closedForms = (file: ForecastFile, horizon: number) =>
  Effect.gen(function* () {
    const rows: Array<ForecastRow> = []
    for (const [baseline, inputLength] of [
      [Baselines.seasonal(file.seasonRows), shortInput],
      [Baselines.linear({ differences: false, perColumn: false, ridges: ridgesDefault }), longInput]
    ] as const) {
      const unfit = unfitTable(file.path, `${baseline.name} cannot be fitted`)
      const { test, train, validation } = yield* windowsOf(file, horizon, inputLength)
      const forecaster = yield* unfit(yield* stepwise(baseline.fit(train, validation)))
      const scores = yield* unfit(yield* stepwise(evaluateForecaster(test, forecaster)))
      rows.push(closedRow(baseline.name, test, scores))
    }
    return rows
  })

const benchmarkRows = (
  file: ForecastFile,
  { entries, horizon, script, seed, tell }: ForecastOptions
): Effect.Effect<ReadonlyArray<ForecastRow>, ChildFailed | TrainingRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const host = yield* startGraphHost({ script, memoryBytesMax: trainingMemoryBytesMax, runMsMax })
    const running = forecastBenchmark({
      dataset: file.protocol,
      series: file.series,
      horizon,
      entries,
      open: openIn(host),
      seed
    })
    const next = Effect.tryPromise({ try: () => running.next(), catch: (cause) => cause }).pipe(
      Effect.catchAll((cause) =>
        cause instanceof ChildFailed || cause instanceof TrainingRefused
          ? Effect.fail(cause)
          : Effect.die(cause)
      )
    )
    for (;;) {
      const { done, value } = yield* next
      if (done === true) return value
      yield* tell(value)
    }
  })

const judgedOf = ({ model, scores }: ForecastRow): Judged => ({
  model,
  metrics: [
    { name: "mse", value: scores.mse },
    { name: "mae", value: scores.mae }
  ],
  losses: scores.squaredErrors
})

export const judgeForecasts = (
  file: ForecastFile,
  options: ForecastOptions
): Effect.Effect<ForecastReport, InputTableUnfit | ChildFailed | TrainingRefused> =>
  Effect.gen(function* () {
    const { horizon, seed } = options
    const closed = yield* closedForms(file, horizon)
    const [first, ...others] = yield* Effect.scoped(benchmarkRows(file, options))
    if (first?.model !== repeatLastName) {
      return yield* Effect.dieMessage(`the benchmark begins with ${first?.model}, not with ${repeatLastName}`)
    }
    const rows = [first, ...closed, ...others]
    const comparison = yield* stepwise(
      compareModels(judgedOf(first), rows.slice(1).map(judgedOf), {
        overlap: horizon,
        key: [seed, "forecast", file.protocol, horizon]
      })
    )
    const parts = Either.getOrThrow(publishedParts(file.protocol, file.series.rows))
    const { deviations, means } = Either.getOrThrow(standardise(file.series, parts.train))
    return { parts, scaling: { means: [...means], deviations: [...deviations] }, rows, comparison }
  })
