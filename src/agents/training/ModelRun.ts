/**
 * Asks a model that is a file, in a model host of its own: what it holds can neither block nor harm this process, and is
 * gone with the scope.
 *
 * What can go wrong: what onnxruntime refuses to load or to run, a process that dies or takes too much, answers that are
 * no numbers (ModelFileUnfit).
 */
import { Effect, type Scope } from "effect"
import { classOutput } from "../../learning/ClassOpinion.ts"
import { outputNames } from "../../learning/OpinionModel.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { ChildFailed } from "../../runtime/errors.ts"
import { hostKind, type LoadHeader, type RunAnswer, type RunHeader } from "../model-host/frames.ts"
import type { OpinionBatch } from "../model-host/ModelHost.ts"
import { ModelFileUnfit } from "./errors.ts"
import type { FillInput } from "./ModelInput.ts"
import type { QuestionRows } from "./QuestionRows.ts"

export interface ModelRunOptions {
  /** The model host's program. */
  readonly script: string
  readonly memoryBytesMax: number
  readonly runMsMax: number
}

/** One number a row, but three probabilities: sell, hold, buy. */
export interface ModelAnswers {
  readonly probabilities: Float32Array
  readonly expectedReturn: Float32Array
  readonly spread: Float32Array
  readonly score: Float32Array
  /** Of so many classes a row; empty where it was opened without. */
  readonly classes: Float32Array
}

export type AskModel = (batch: OpinionBatch) => Effect.Effect<ModelAnswers, ModelFileUnfit>

/** Rows of one run. */
export const rowsPerRun = 128

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

const orUnfit = <A, R>(path: string, asked: Effect.Effect<A, ChildFailed, R>) =>
  Effect.mapError(
    asked,
    ({ reason }) => new ModelFileUnfit({ path, reason: reason.replace(/\s+/g, " ").trim() })
  )

/** A process for one model after the other. */
export const startModelRun = (
  options: ModelRunOptions
): Effect.Effect<ChildProcess.Child, ChildFailed, Scope.Scope> =>
  ChildProcess.start({
    name: "model-host",
    script: options.script,
    arguments: ["1"],
    isBeside: true,
    memoryBytesMax: options.memoryBytesMax,
    requestMsMax: options.runMsMax,
    requestsMax: 2
  })

/** A model in a process of its own. */
export const openModel = (
  model: { readonly bytes: Uint8Array; readonly path: string },
  options: ModelRunOptions,
  classes = 0
): Effect.Effect<AskModel, ModelFileUnfit, Scope.Scope> =>
  Effect.flatMap(orUnfit(model.path, startModelRun(options)), (child) => loadModel(child, model, classes))

/** A model in the place of the one before it. */
export const loadModel = (
  child: ChildProcess.Child,
  { bytes, path }: { readonly bytes: Uint8Array; readonly path: string },
  /** Of a classifier whose classes are asked for as well; 0 for none. */
  classes = 0
): Effect.Effect<AskModel, ModelFileUnfit> =>
  Effect.gen(function* () {
    const unfit = (reason: string) => new ModelFileUnfit({ path, reason })
    const digest = sha256(bytes)
    yield* orUnfit(path, child.request(hostKind.load, { digest } satisfies LoadHeader, bytes))
    return ({ band, columns, features, rows, sigma }) =>
      Effect.gen(function* () {
        const header: RunHeader = {
          digest,
          inputs: [
            { name: "features", dims: [rows, columns] },
            { name: "sigma", dims: [rows, 1] },
            { name: "band", dims: [rows, 1] }
          ],
          outputs: classes > 0 ? [...outputNames, classOutput] : outputNames
        }
        const body = Buffer.concat([features, sigma, band].map(bytesOf))
        const answer = yield* orUnfit(path, child.request(hostKind.run, header, body))
        const outputs = new Map<string, Float32Array>()
        let at = 0
        for (const { dims, name } of (answer.header as RunAnswer).outputs) {
          const count = dims.reduce((product, dim) => product * dim, 1)
          outputs.set(name, new Float32Array(answer.body.buffer, answer.body.byteOffset + at, count))
          at += 4 * count
        }
        const output = (name: string, width: number) => {
          const values = outputs.get(name)
          if (values?.length !== rows * width)
            return unfit(`its output "${name}" has another shape than it says`)
          const row = values.findIndex((value) => !Number.isFinite(value))
          return row < 0 ? Effect.succeed(values) : unfit(`its output "${name}" is ${values[row]}`)
        }
        return {
          probabilities: yield* output("probabilities", 3),
          expectedReturn: yield* output("expected_return", 1),
          spread: yield* output("spread", 1),
          score: yield* output("score", 1),
          classes: classes > 0 ? yield* output(classOutput, classes) : new Float32Array()
        }
      })
  })

/** All rows of questions, in runs of so many. */
export const askRows = (
  ask: AskModel,
  rows: QuestionRows,
  columns: number,
  fill: FillInput,
  runRows = rowsPerRun
): Effect.Effect<ModelAnswers, ModelFileUnfit> =>
  Effect.gen(function* () {
    const all = {
      probabilities: new Float32Array(3 * rows.rows),
      expectedReturn: new Float32Array(rows.rows),
      spread: new Float32Array(rows.rows),
      score: new Float32Array(rows.rows)
    }
    const classes: Array<Float32Array> = []
    for (let first = 0; first < rows.rows; first += runRows) {
      const count = Math.min(runRows, rows.rows - first)
      const features = new Float32Array(count * columns)
      for (let i = 0; i < count; i++) {
        fill(rows.instrument[first + i] as number, rows.bar[first + i] as number, features, i * columns)
      }
      const answers = yield* ask({
        rows: count,
        columns,
        features,
        sigma: Float32Array.from(rows.sigma.subarray(first, first + count)),
        band: Float32Array.from(rows.band.subarray(first, first + count))
      })
      all.probabilities.set(answers.probabilities, 3 * first)
      all.expectedReturn.set(answers.expectedReturn, first)
      all.spread.set(answers.spread, first)
      all.score.set(answers.score, first)
      classes.push(answers.classes)
    }
    return { ...all, classes: Float32Array.from(classes.flatMap((one) => [...one])) }
  })
