/**
 * The mission's networks before and after compression: bytes of the file, also deflated, time of a run at batch 1 and
 * 64 on one thread, loss on held-out rows, and the verdict. Each network is trained for a short while on rows made by
 * the host, so that there is something to lose. Windows of before and after are interleaved.
 */
import { cpus, loadavg } from "node:os"
import { deflateRawSync } from "node:zlib"
import { Either } from "effect"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { openWithOnnxruntime, sessionOptions } from "../src/agents/training-host/onnxruntime.ts"
import { calibrate, type RunModel } from "../src/learning/compression/Calibration.ts"
import { distillation, taughtDataset, teacherOutputs } from "../src/learning/compression/Distillation.ts"
import {
  judgeCompression,
  type ModelMeasures,
  renderJudgement
} from "../src/learning/compression/Judgement.ts"
import { pruneAndTrain } from "../src/learning/compression/PruningTraining.ts"
import { type QuantisationScheme, quantiseModel } from "../src/learning/compression/Quantisation.ts"
import type { QuantisationOptions } from "../src/learning/compression/QuantisationPlan.ts"
import { toOnnx } from "../src/learning/graph/toOnnx.ts"
import { servingSpec, trainableOf } from "../src/learning/networks/models.ts"
import {
  type NetworkSpec,
  patternRecogniser,
  pricePredictor,
  transformerPredictor
} from "../src/learning/networks/NetworkSpec.ts"
import { encode, type ModelProto } from "../src/learning/onnx/OnnxFile.ts"
import type { Dataset } from "../src/learning/training/Dataset.ts"
import { adam } from "../src/learning/training/Optimiser.ts"
import { train } from "../src/learning/training/Trainer.ts"
import { trainingGraphs } from "../src/learning/training/TrainingGraphs.ts"
import { type TrainingSpec, trainingDefaults } from "../src/learning/training/TrainingSpec.ts"
import { keyedRandom } from "../src/protocols/wire/KeyedRandom.ts"
import { type Bench, median, print } from "./support/report.ts"

interface Work {
  readonly name: string
  readonly network: NetworkSpec
  readonly student: NetworkSpec
  readonly rate: number
  /** Rows to train on, and epochs over them. */
  readonly rows: number
  readonly epochs: number
  /** Runs in a window at batch 1. */
  readonly runs: number
}

const works: ReadonlyArray<Work> = [
  {
    name: "lstm",
    network: pricePredictor,
    student: { ...pricePredictor, body: { kind: "lstm", hidden: 32, layers: 1, dropout: 0 } },
    rate: 2e-3,
    rows: 768,
    epochs: 6,
    runs: 60
  },
  {
    name: "cnn",
    network: patternRecogniser,
    student: {
      ...patternRecogniser,
      body: { kind: "cnn", filters: [16, 16], kernel: 3, pool: 2, dropout: 0 }
    },
    rate: 1e-3,
    rows: 2_048,
    epochs: 6,
    runs: 400
  },
  {
    name: "transformer",
    network: transformerPredictor,
    student: {
      ...transformerPredictor,
      body: { kind: "transformer", width: 64, heads: 4, layers: 2, inner: 256, dropout: 0 }
    },
    rate: 5e-4,
    rows: 768,
    epochs: 3,
    runs: 6
  }
]

const heldRows = 512
const windows = 7
const calibrationRows = 128
const sparsity = 0.8

/** One in a hundred more wrong answers, or one hundredth of the targets' variance. */
const lossIncreaseMax = 0.01

/** A wave of its own for each class, in noise; or what two features come to over a whole sequence, one of them bent. */
const rowsOf = (spec: NetworkSpec, key: string, rows: number): Dataset & { readonly y: Float32Array } => {
  const random = keyedRandom("compression", key)
  const { features, head, length } = spec
  const size = length * features
  const x = Float32Array.from({ length: rows * size }, () => random.normal())
  const width = head.kind === "classification" ? head.classes : 1
  const y = new Float32Array(rows * width)
  for (let row = 0; row < rows; row++) {
    const place = (step: number, feature: number) => row * size + step * features + feature
    if (head.kind === "classification") {
      const drawn = random.int(width)
      y[row * width + drawn] = 1
      for (let step = 0; step < length; step++) {
        const at = place(step, 0)
        x[at] = (x[at] as number) + 0.5 * Math.sin((2 * Math.PI * (drawn + 1) * step) / length)
      }
    } else {
      let first = 0
      let second = 0
      for (let step = 0; step < length; step++) {
        first += (x[place(step, 0)] as number) / Math.sqrt(length)
        second += (x[place(step, 1)] as number) / Math.sqrt(length)
      }
      y[row] = Math.tanh(first) + 0.7 * second + 0.2 * random.normal()
    }
  }
  return {
    rows,
    y,
    fill: (index, at, toX, toY) => {
      toX.set(x.subarray(index * size, (index + 1) * size), at * size)
      toY.set(y.subarray(index * width, (index + 1) * width), at * width)
    },
    weight: () => 1
  }
}

const toEnd = async <Told, Outcome>(running: AsyncGenerator<Told, Outcome>): Promise<Outcome> => {
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return value
  }
}

const served = (spec: NetworkSpec, parameters: Float32Array): ModelProto => {
  const { manifest } = trainingGraphs(trainableOf(spec), { rows: 1, optimiser: adam })
  const of = (value: number) => Array<number>(spec.features).fill(value)
  return toOnnx(servingSpec(spec, manifest, parameters, { means: of(0), deviations: of(1) }))
}

const openModel = async (model: ModelProto): Promise<RunModel> => {
  const session = await InferenceSession.create(encode(model), sessionOptions)
  return async (feeds) => {
    const fed = Object.entries(feeds).map(
      ([name, { data, shape }]) => [name, new Tensor("float32", data, [...shape])] as const
    )
    const results = await session.run(Object.fromEntries(fed))
    return Object.fromEntries(Object.entries(results).map(([name, one]) => [name, one.data as Float32Array]))
  }
}

const feedOf = (spec: NetworkSpec, data: Dataset, from: number, rows: number): Parameters<RunModel>[0] => {
  const x = new Float32Array(rows * spec.length * spec.features)
  const y = new Float32Array(rows * 16)
  for (let at = 0; at < rows; at++) data.fill((from + at) % data.rows, at, x, y)
  return { features: { shape: [rows, spec.length, spec.features], data: x } }
}

/** Of each held-out row: 1 where the answer was wrong, or the squared error. */
const lossesOf = async (spec: NetworkSpec, run: RunModel, held: ReturnType<typeof rowsOf>) => {
  const losses = new Float64Array(held.rows)
  const width = spec.head.kind === "classification" ? spec.head.classes : 1
  const greatest = (values: Float32Array) => values.indexOf(Math.max(...values))
  for (let from = 0; from < held.rows; from += 64) {
    const results = await run(feedOf(spec, held, from, 64))
    const answers = (results.logits ?? results.prediction) as Float32Array
    for (let at = 0; at < 64; at++) {
      const own = answers.subarray(at * width, (at + 1) * width)
      const target = held.y.subarray((from + at) * width, (from + at + 1) * width)
      losses[from + at] =
        width > 1
          ? Number(greatest(own) !== greatest(target))
          : ((own[0] as number) - (target[0] as number)) ** 2
    }
  }
  return losses
}

interface Candidate {
  readonly name: string
  readonly spec: NetworkSpec
  readonly model: ModelProto
}

/** Medians over windows in turn. */
const latencies = async (
  candidates: ReadonlyArray<Candidate>,
  runs: ReadonlyArray<RunModel>,
  data: Dataset,
  rows: number,
  count: number
): Promise<ReadonlyArray<number>> => {
  const times = candidates.map(() => [] as Array<number>)
  const feeds = candidates.map(({ spec }) => feedOf(spec, data, 0, rows))
  for (let window = -1; window < windows; window++) {
    for (const [i, run] of runs.entries()) {
      const begin = performance.now()
      for (let done = 0; done < count; done++) await run(feeds[i] as Parameters<RunModel>[0])
      if (window >= 0) times[i]?.push((performance.now() - begin) / count)
    }
  }
  return times.map(median)
}

const candidatesOf = async (work: Work, smoke: boolean, training: Dataset, validation: Dataset) => {
  const { network, student } = work
  const open = openWithOnnxruntime
  const spec = (of: NetworkSpec, changes: Partial<TrainingSpec> = {}): TrainingSpec => ({
    ...trainingDefaults(of),
    schedule: { kind: "constant", rate: work.rate, warmUpSteps: 4 },
    epochsMax: smoke ? 1 : work.epochs,
    ...changes
  })
  const dense = await toEnd(train({ spec: spec(network), training, validation, open }))
  const float = served(network, dense.parameters)
  const candidates: Array<Candidate> = [{ name: "float", spec: network, model: float }]
  const quantised = async (
    name: string,
    kind: QuantisationScheme["kind"],
    options: QuantisationOptions = {}
  ) => {
    const scheme = async (): Promise<QuantisationScheme> => {
      if (kind !== "static") return { kind }
      const feeds = [feedOf(network, training, 0, calibrationRows)]
      const rule = { kind: "share", share: 0.9999 } as const
      const ranges = await calibrate(float, feeds, { open: openModel, rule, quantisation: options })
      return { kind, ranges: Either.getOrThrow(ranges) }
    }
    const { model } = Either.getOrThrow(quantiseModel(float, await scheme(), options))
    candidates.push({ name, spec: network, model })
  }
  await quantised("int8 weights", "weights")
  if (network.body.kind === "lstm") {
    await quantised("int8 dynamic, loop", "dynamic", { recurrence: "loop" })
    await quantised("int8 static, loop", "static", { recurrence: "loop" })
  } else {
    await quantised("int8 dynamic", "dynamic")
    await quantised("int8 static", "static")
  }
  const pruned = await toEnd(
    pruneAndTrain({
      spec: spec(network, { epochsMax: 1 }),
      parameters: dense.parameters,
      schedule: { rounds: smoke ? 1 : 2, initialSparsity: 0, finalSparsity: sparsity },
      scope: "layer",
      training,
      validation,
      open
    })
  )
  candidates.push({
    name: `pruned ${100 * sparsity}%`,
    spec: network,
    model: served(network, pruned.parameters)
  })
  const outputs = await teacherOutputs({
    network,
    manifest: dense.manifest,
    parameters: dense.parameters,
    data: training,
    open,
    batchRows: 64
  })
  const taught = await toEnd(
    train({
      spec: spec(student, { epochsMax: smoke ? 1 : 3 * work.epochs }),
      training: taughtDataset(training, outputs, network.head),
      validation,
      open,
      objective: distillation(student, { alpha: 0.3, temperature: 2 }, outputs)
    })
  )
  candidates.push({ name: "distilled", spec: student, model: served(student, taught.parameters) })
  return candidates
}

export const compression: Bench = {
  name: "compression",
  run: async ({ smoke }) => {
    print("compression: one thread, networks trained for a short while on made-up rows")
    for (const work of works) {
      const rows = smoke ? 64 : work.rows
      const training = rowsOf(work.network, `${work.name}/training`, rows)
      const validation = rowsOf(work.network, `${work.name}/validation`, smoke ? 64 : 256)
      const held = rowsOf(work.network, `${work.name}/held out`, smoke ? 128 : heldRows)
      const candidates = await candidatesOf(work, smoke, training, validation)
      const runs = await Promise.all(candidates.map(({ model }) => openModel(model)))
      const busy = loadavg()[0] as number
      const alone = await latencies(candidates, runs, held, 1, smoke ? 2 : work.runs)
      const together = await latencies(candidates, runs, held, 64, smoke ? 1 : Math.ceil(work.runs / 20))
      const conditions = `load average ${busy.toFixed(1)} on ${cpus().length} cores before${
        busy > 1.5 ? ": others ran meanwhile, this is a rehearsal" : ""
      }`
      const measured: Array<ModelMeasures> = []
      for (const [i, { model, name, spec }] of candidates.entries()) {
        measured.push({
          name,
          bytes: encode(model).length,
          latencyMs: { rows1: alone[i] as number, rows64: together[i] as number },
          losses: await lossesOf(spec, runs[i] as RunModel, held)
        })
      }
      print()
      print(` ${work.name}`)
      const [before, ...others] = measured as [ModelMeasures, ...ReadonlyArray<ModelMeasures>]
      const lossName =
        work.network.head.kind === "classification" ? "share of wrong answers" : "squared error"
      for (const [i, after] of others.entries()) {
        const judgement = judgeCompression({
          before,
          after,
          lossName,
          bounds: { lossIncreaseMax },
          conditions
        })
        for (const text of renderJudgement(judgement).split("\n")) print(`  ${text}`)
        const deflated = (of: number) => deflateRawSync(encode((candidates[of] as Candidate).model)).length
        print(
          `  Deflated: ${deflated(0).toLocaleString("en-US")} and ${deflated(i + 1).toLocaleString("en-US")} bytes.`
        )
        print()
      }
    }
  }
}
