/**
 * The papers' forecasting protocol for our models: each network is trained on the training windows, stopped by the
 * validation windows, and judged on the test windows beside the closed forms.
 *
 * What can go wrong: a series that is too short or holds what is no number is refused before anything is trained.
 */
import { Either } from "effect"
import * as Baselines from "../evaluation/Baselines.ts"
import {
  evaluateForecaster,
  type ForecastScores,
  makeScorer,
  publishedBatch,
  publishedWindows
} from "../evaluation/ForecastProtocol.ts"
import { ridgesDefault } from "../evaluation/LinearForecast.ts"
import { mean } from "../evaluation/Scoring.ts"
import { inputOf, type Series, targetOf, type Windows, wholeBatches } from "../evaluation/Windows.ts"
import { servingSpec } from "../networks/models.ts"
import type { BodySpec, NetworkSpec } from "../networks/NetworkSpec.ts"
import { runThrough } from "../steps.ts"
import type { Dataset } from "./Dataset.ts"
import { type Open, type TrainingEvent, type TrainingOutcome, train } from "./Trainer.ts"
import { type TrainingSpec, trainingDefaults } from "./TrainingSpec.ts"

/** A network as it is entered: its body, how long its input is, and how it is trained. */
export interface ForecastEntry {
  readonly name: string
  readonly inputLength: number
  readonly body: (horizon: number) => BodySpec
  /** Rate of the first epoch; halved at each further one, as the published code does. */
  readonly rate: number
  readonly batchRows: number
  readonly epochsMax: number
}

/**
 * DLinear at the input length of its authors. Its rate is theirs on exchange_rate; on ETTh1 it is the best on the
 * validation windows of 0.005 (theirs), 0.001 and 0.0005. The other networks at a modest size.
 */
export const forecastEntries = (dataset: string): ReadonlyArray<ForecastEntry> => {
  const isExchange = dataset.startsWith("exchange")
  const modest = { inputLength: 96, rate: 0.001, batchRows: 32, epochsMax: 6 }
  return [
    {
      name: "DLinear",
      inputLength: 336,
      body: (horizon) => ({ kind: "dlinear", horizon, window: 25 }),
      rate: isExchange ? 0.0005 : 0.001,
      batchRows: isExchange ? 8 : 32,
      epochsMax: 10
    },
    { name: "LSTM", body: () => ({ kind: "lstm", hidden: 64, layers: 1, dropout: 0 }), ...modest },
    {
      name: "CNN",
      body: () => ({ kind: "cnn", filters: [32, 32], kernel: 3, pool: 2, dropout: 0.1 }),
      ...modest
    },
    {
      name: "Transformer",
      body: () => ({ kind: "transformer", width: 64, heads: 4, layers: 2, inner: 128, dropout: 0.1 }),
      ...modest
    }
  ]
}

export interface ForecastRow {
  readonly model: string
  readonly inputLength: number
  /** Over all windows, and over whole batches only, as the published code judges. */
  readonly scores: ForecastScores
  readonly published: ForecastScores
}

/** What a row is made of, and how far it is. */
export interface ForecastProgress {
  readonly model: string
  readonly event: TrainingEvent
}

/** Test windows in one run of a served network. */
const servedRows = 32

const datasetOf = (windows: Windows): Dataset => {
  const size = windows.inputLength * windows.series.columns
  const width = windows.horizon * windows.series.columns
  return {
    rows: windows.count,
    fill: (index, at, x, y) => {
      x.set(inputOf(windows, index), at * size)
      y.set(targetOf(windows, index), at * width)
    },
    weight: () => 1
  }
}

const trainingOf = (entry: ForecastEntry, training: Windows, horizon: number, seed: number): TrainingSpec => {
  const { columns } = training.series
  const network: NetworkSpec = {
    length: entry.inputLength,
    features: columns,
    body: entry.body(horizon),
    head: { kind: "regression", outputs: horizon * columns }
  }
  const batches = Math.ceil(training.count / entry.batchRows)
  return {
    ...trainingDefaults(network),
    schedule: { kind: "stepped", rate: entry.rate, warmUpSteps: 0, every: batches, factor: 0.5 },
    batchRows: entry.batchRows,
    stepsPerRun: network.body.kind === "dlinear" ? 16 : 1,
    epochsMax: entry.epochsMax,
    patience: 3,
    seed
  }
}

/** The errors of a trained network, window by window. */
const scoresOf = async (
  network: NetworkSpec,
  { manifest, parameters }: TrainingOutcome,
  open: Open,
  windows: Windows
): Promise<ForecastScores> => {
  const { features: columns, length } = network
  // The protocol has standardised the series already.
  const identity = { means: new Float32Array(columns), deviations: new Float32Array(columns).fill(1) }
  const run = await open(servingSpec(network, manifest, parameters, identity))
  const scorer = makeScorer(windows)
  const width = windows.horizon * columns
  for (let at = 0; at < windows.count; at += servedRows) {
    const rows = Math.min(servedRows, windows.count - at)
    const data = new Float32Array(rows * length * columns)
    for (let row = 0; row < rows; row++) data.set(inputOf(windows, at + row), row * length * columns)
    const answers = await run({ features: { shape: [rows, length, columns], data } })
    const prediction = answers.prediction as Float32Array
    for (let row = 0; row < rows; row++) {
      Either.getOrThrow(scorer.add(prediction.subarray(row * width, (row + 1) * width)))
    }
  }
  return scorer.scores()
}

const rowOf = (model: string, windows: Windows, scores: ForecastScores): ForecastRow => {
  const { count } = wholeBatches(windows, publishedBatch)
  const squaredErrors = scores.squaredErrors.subarray(0, count)
  const absoluteErrors = scores.absoluteErrors.subarray(0, count)
  const mse = mean(squaredErrors)
  const mae = mean(absoluteErrors)
  return {
    model,
    inputLength: windows.inputLength,
    scores,
    published: { windows: count, mse, mae, squaredErrors, absoluteErrors }
  }
}

/** The closed forms, then the networks. */
export async function* forecastBenchmark(options: {
  readonly dataset: string
  readonly series: Series
  readonly horizon: number
  readonly entries: ReadonlyArray<ForecastEntry>
  readonly open: Open
  readonly seed: number
}): AsyncGenerator<ForecastProgress, ReadonlyArray<ForecastRow>> {
  const { dataset, entries, horizon, open, seed, series } = options
  const windowsFor = (inputLength: number) =>
    Either.getOrThrow(publishedWindows(dataset, series, { inputLength, horizon }))
  const rows: Array<ForecastRow> = []
  const closed = [
    { baseline: Baselines.repeatLast, inputLength: 96 },
    {
      baseline: Baselines.linear({ differences: true, perColumn: false, ridges: ridgesDefault }),
      inputLength: 336
    }
  ]
  for (const { baseline, inputLength } of closed) {
    const { test, train: training, validation } = windowsFor(inputLength)
    const forecaster = Either.getOrThrow(runThrough(baseline.fit(training, validation)))
    const scores = Either.getOrThrow(runThrough(evaluateForecaster(test, forecaster)))
    rows.push(rowOf(baseline.name, test, scores))
  }
  for (const entry of entries) {
    const { test, train: training, validation } = windowsFor(entry.inputLength)
    const spec = trainingOf(entry, training, horizon, seed)
    const running = train({ spec, training: datasetOf(training), validation: datasetOf(validation), open })
    let step = await running.next()
    for (; step.done !== true; step = await running.next()) yield { model: entry.name, event: step.value }
    rows.push(rowOf(entry.name, test, await scoresOf(spec.network, step.value, open, test)))
  }
  return rows
}
