/**
 * XGBoost's model file as a plain ONNX tree ensemble, and the proof that onnxruntime says of rows what the trees say in
 * float64: rows are made of the thresholds themselves, their neighbours in float32, and missing values, for there a
 * converter errs.
 *
 * What can go wrong: a file that is no XGBoost model or one of an unsupported kind, one that is too large, answers that
 * are further off than `differenceMax` (ModelFileUnfit).
 * Invariant: equal trees are asked the same rows.
 */
import { statSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { Effect, Either } from "effect"
import { encode } from "../../learning/onnx/OnnxFile.ts"
import {
  classesOf,
  marginsOf,
  probabilitiesOf,
  type TreeEnsemble
} from "../../learning/trees/TreeEnsemble.ts"
import { treesToOnnx } from "../../learning/trees/TreeOnnx.ts"
import { readXgboost, xgboostBytesMax } from "../../learning/trees/XgboostFile.ts"
import { type KeyedRandom, keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { ModelFileUnfit } from "./errors.ts"
import { graphBytesMax, startGraphHost } from "./GraphHost.ts"
import type { ModelRunOptions } from "./ModelRun.ts"

/** Of a probability, or of a margin in units of the larger of 1 and itself. */
export const differenceMax = 1e-5

const rowsMax = 256
const rowsMin = 4
const numbersMax = 2 ** 20

/** Shares of the values of a row that are missing, at a threshold, just below it; the others lie around one. */
const shares = { missing: 0.1, at: 0.2, below: 0.2 }

const reasonOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === "ENOENT") return "there is no such file"
  if (code === "EISDIR") return "it is a folder"
  if (code === "EACCES") return "permission is denied"
  return message
}

export const readXgboostFile = (path: string): Effect.Effect<TreeEnsemble, ModelFileUnfit> =>
  Effect.gen(function* () {
    const unfit = (reason: string) => new ModelFileUnfit({ path, reason })
    const attempt = <A>(work: () => Promise<A>) =>
      Effect.tryPromise({ try: work, catch: (cause) => unfit(reasonOf(cause)) })
    const { size } = yield* attempt(async () => statSync(path))
    if (size > xgboostBytesMax) return yield* unfit(`it has ${size} bytes, ${xgboostBytesMax} are allowed`)
    const bytes = yield* attempt(() => readFile(path))
    return yield* Either.mapLeft(readXgboost(new Uint8Array(bytes)), ({ reason }) =>
      // Parsers repeat what they have read, which may be anything.
      unfit(`no XGBoost model can be read from it: ${reason.replace(/[\s\p{C}]+/gu, " ").trim()}`)
    )
  })

/** The greatest float32 below a finite one. */
const justBelow = (value: number): number => {
  const floats = new Float32Array([value])
  const bits = new Int32Array(floats.buffer)
  const [whole = 0] = bits
  // The sign is a bit of its own: away from zero the bits grow, on either side of it.
  bits[0] = value > 0 ? whole - 1 : value < 0 ? whole + 1 : -0x7fffffff
  return floats[0] as number
}

const valueOf = (random: KeyedRandom, thresholds: ReadonlyArray<number> | undefined): number => {
  const drawn = random.next()
  if (drawn < shares.missing) return Number.NaN
  const threshold = thresholds?.[random.int(thresholds.length)] ?? 0
  if (drawn < shares.missing + shares.at) return threshold
  if (drawn < shares.missing + shares.at + shares.below) return justBelow(threshold)
  return Math.fround(threshold + random.normal() * Math.max(1, Math.abs(threshold)))
}

/** Rows that are told apart by the trees, [rows, features]. */
export const trialRows = (ensemble: TreeEnsemble): Float32Array => {
  const { feature, features, left, threshold } = ensemble
  const thresholds = new Map<number, Array<number>>()
  for (let node = 0; node < left.length; node++) {
    if ((left[node] as number) < 0) continue
    const own = thresholds.get(feature[node] as number) ?? []
    own.push(threshold[node] as number)
    thresholds.set(feature[node] as number, own)
  }
  const rows = Math.max(rowsMin, Math.min(rowsMax, Math.floor(numbersMax / features)))
  const random = keyedRandom("trial rows of trees")
  return Float32Array.from({ length: rows * features }, (_, i) =>
    valueOf(random, thresholds.get(i % features))
  )
}

export interface ImportedTrees {
  readonly artefact: Uint8Array
  /** Rows that were asked of both. */
  readonly rows: number
  /** Largest difference that was seen. */
  readonly difference: number
}

const largestDifference = (said: Float32Array | undefined, wanted: Float64Array): number => {
  if (said?.length !== wanted.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < wanted.length; i++) {
    const value = wanted[i] as number
    const difference = Math.abs((said[i] as number) - value) / Math.max(1, Math.abs(value))
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY
    largest = Math.max(largest, difference)
  }
  return largest
}

/** The artefact, once onnxruntime has said the same. */
export const convertTrees = (
  path: string,
  ensemble: TreeEnsemble,
  options: ModelRunOptions
): Effect.Effect<ImportedTrees, ModelFileUnfit> =>
  Effect.gen(function* () {
    const unfit = (reason: string) => new ModelFileUnfit({ path, reason })
    const artefact = encode(treesToOnnx(ensemble))
    if (artefact.length > graphBytesMax) {
      return yield* unfit(`as ONNX it has ${artefact.length} bytes, ${graphBytesMax} can be run`)
    }
    const classes = classesOf(ensemble)
    const data = trialRows(ensemble)
    const rows = data.length / ensemble.features
    const margins = marginsOf(ensemble, data)
    const wanted = [
      ["margins", margins],
      ...(classes === 0
        ? [["prediction", margins] as const]
        : [["probabilities", probabilitiesOf(ensemble, margins)] as const])
    ] as const
    const answers = yield* startGraphHost(options).pipe(
      Effect.flatMap((host) =>
        host.load(
          artefact,
          wanted.map(([name]) => name)
        )
      ),
      Effect.flatMap((run) => run({ features: { shape: [rows, ensemble.features], data } })),
      Effect.mapError(({ reason }) => unfit(`onnxruntime does not run its trees (${reason})`)),
      Effect.scoped
    )
    const differences = wanted.map(([name, values]) => largestDifference(answers[name], values))
    const difference = Math.max(...differences)
    if (difference <= differenceMax) return { artefact, rows, difference }
    const at = wanted[differences.indexOf(difference)]?.[0] ?? "answers"
    return yield* unfit(
      `onnxruntime's ${at} are ${difference.toExponential(1)} from those of its trees, ${differenceMax} is allowed`
    )
  })
