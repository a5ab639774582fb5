/**
 * The model of a file with its matrices as eight bits, judged beside the one that it was made of, on rows that neither
 * has learned from: bytes, how long the model host takes for a question, and the log loss of the sides.
 *
 * `static` codes activations by the ranges they had over rows of the training time; a question then has the same answer
 * whatever is asked beside it. `dynamic` needs no such rows, and has not.
 *
 * What can go wrong: a model that does not say what it has learned from, or is quantised already (ModelFileUnfit); bars of
 * another time frame, too few of them, none held out, none to calibrate on; a model of which nothing can be quantised
 * (QuantisationRefused), or that became worse than it may (ReplacementRefused).
 * Invariants: what was judged is what is given; equal files and options make the same bytes. Latencies are measured, and
 * differ from run to run.
 */
import { Effect, Either, Schema, type Scope } from "effect"
import { calibrate } from "../../learning/compression/Calibration.ts"
import type { QuantisationRefused, ReplacementRefused } from "../../learning/compression/errors.ts"
import { type CompressionJudgement, judgeCompression } from "../../learning/compression/Judgement.ts"
import {
  type MatrixReport,
  type QuantisationScheme,
  quantiseModel
} from "../../learning/compression/Quantisation.ts"
import type { RowRefused, TooFewOutcomes } from "../../learning/errors.ts"
import {
  blockLengthFor,
  type DifferenceInterval,
  differencesOf,
  pairedBlockBootstrap
} from "../../learning/evaluation/BlockBootstrap.ts"
import { logLosses } from "../../learning/evaluation/ClassMetrics.ts"
import type { OutcomesRefused } from "../../learning/evaluation/checks.ts"
import { decode, encode, type ModelProto } from "../../learning/onnx/OnnxFile.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../learning/steps.ts"
import { Digest } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { NothingHeldOut, TooFewBars } from "./errors.ts"
import { InputTableUnfit, ModelFileUnfit } from "./errors.ts"
import { runRowsOf } from "./evaluateModel.ts"
import { asPromise, startGraphHost } from "./GraphHost.ts"
import type { InputError } from "./InputFeatures.ts"
import { type AskedRows, askedRows } from "./learnedRows.ts"
import { checkModel, type ModelFile } from "./ModelFile.ts"
import { askRows, type ModelAnswers, type ModelRunOptions, openModel } from "./ModelRun.ts"
import { type Latency, measureLatencies } from "./modelLatency.ts"
import type { Bars } from "./readBars.ts"
import type { TrainedModel } from "./TrainedModel.ts"
import { overlapOf } from "./trainNetwork.ts"

export const quantisationKinds = ["static", "dynamic"] as const
export type QuantisationKind = (typeof quantisationKinds)[number]

/** What a quantised file says of itself, beside what the one that it was made of said. */
export const QuantisedFrom = Schema.Struct({
  version: Schema.Literal(1),
  kind: Schema.Literal(...quantisationKinds),
  /** SHA-256 of the file that it was made of. */
  parent: Digest,
  /** Rows that ranges were taken from, and the SHA-256 of the bars that they are of; null without. */
  calibration: Schema.NullOr(Schema.Struct({ data: Digest, rows: Schema.Int }))
})
export type QuantisedFrom = typeof QuantisedFrom.Type

export const quantisationKey = "quantisation"
const FromText = Schema.parseJson(QuantisedFrom)

/** Undefined for a model that is not quantised. */
export const readQuantisedFrom = (metadata: ReadonlyMap<string, string>): QuantisedFrom | undefined =>
  Either.getOrUndefined(Schema.decodeUnknownEither(FromText)(metadata.get(quantisationKey) ?? ""))

/** Spread over the training time. */
const calibrationRows = 512
/** Of a batch that ranges are taken from. */
const batchRows = 128
/** Of the activations, in the middle: a few outliers are cut off. */
const rule = { kind: "share", share: 0.9999 } as const

export interface QuantisedModel {
  readonly artefact: Uint8Array
  readonly from: QuantisedFrom
  readonly matrices: ReadonlyArray<MatrixReport>
  readonly judgement: CompressionJudgement
  readonly latency: Readonly<Record<"before" | "after", Latency>>
  /** The most that an answer moved on held-out rows. */
  readonly moved: Moved
}

export interface Moved {
  readonly probability: number
  /** In sigmas of the horizon. */
  readonly score: number
}

export interface QuantiseOptions {
  readonly kind: QuantisationKind
  /** How much the mean log loss may grow. */
  readonly lossIncreaseMax: number
  readonly seed: number
  readonly modelHost: ModelRunOptions
}

type Trained = ModelFile & { readonly trained: TrainedModel }

const checked = (model: ModelFile): Effect.Effect<Trained, ModelFileUnfit> => {
  const unfit = (reason: string) => new ModelFileUnfit({ path: model.path, reason })
  const { description, trained } = model
  if (description.metadata.has(quantisationKey)) return unfit("it is quantised already")
  if (trained === undefined) {
    return unfit(
      "it does not say what it has learned from, so that nothing is known to be held out: `conclave train` writes models that do"
    )
  }
  return Effect.succeed({ ...model, trained })
}

/** The ranges of activations over rows of the training time, and how many rows. */
const rangesOf = (model: ModelProto, path: string, rows: AskedRows, options: QuantiseOptions) =>
  Effect.gen(function* () {
    const { columns, earlier, fill } = rows
    const count = Math.min(calibrationRows, earlier.rows)
    const places = Array.from({ length: count }, (_, i) => Math.floor((i * earlier.rows) / count))
    const feeds: Array<Parameters<Awaited<ReturnType<Parameters<typeof calibrate>[2]["open"]>>>[0]> = []
    for (let first = 0; first < count; first += batchRows) {
      const own = places.slice(first, first + batchRows)
      const features = new Float32Array(own.length * columns)
      own.forEach((row, i) => {
        fill(earlier.instrument[row] as number, earlier.bar[row] as number, features, i * columns)
      })
      const column = (values: Float64Array) => ({
        shape: [own.length, 1],
        data: Float32Array.from(own, (row) => values[row] as number)
      })
      feeds.push({
        features: { shape: [own.length, columns], data: features },
        sigma: column(earlier.sigma),
        band: column(earlier.band)
      })
    }
    const host = yield* startGraphHost(options.modelHost)
    const open = async (observed: ModelProto) => {
      const outputs = observed.graph.outputs.map(({ name }) => name)
      const run = await asPromise(host.load(encode(observed), outputs))
      return (fed: (typeof feeds)[number]) => asPromise(run(fed))
    }
    const ranges = yield* Effect.tryPromise({
      try: () => calibrate(model, feeds, { open, rule }),
      catch: (cause) =>
        new ModelFileUnfit({ path, reason: cause instanceof Error ? cause.message : String(cause) })
    })
    return { ranges: yield* ranges, rows: count }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ChildFailed", ({ reason }) => new ModelFileUnfit({ path, reason }))
  )

const schemeOf = (
  model: ModelProto,
  { path }: ModelFile,
  bars: Bars,
  rows: AskedRows,
  options: QuantiseOptions
) =>
  Effect.gen(function* () {
    if (options.kind === "dynamic")
      return { scheme: { kind: "dynamic" } satisfies QuantisationScheme, calibration: null }
    if (rows.earlier.rows === 0) {
      return yield* new InputTableUnfit({
        path: bars.path,
        reason:
          "it holds no rows of the time that the model has learned from, to take ranges from (--kind dynamic needs none)"
      })
    }
    const { ranges, rows: count } = yield* rangesOf(model, path, rows, options)
    const scheme: QuantisationScheme = { kind: "static", ranges }
    return { scheme, calibration: { data: bars.digest as QuantisedFrom["parent"], rows: count } }
  })

/** The interval of the mean difference; undefined where there are too few rows for one. */
function* intervalOf(
  after: Float64Array,
  before: Float64Array,
  options: { readonly overlap: number; readonly seed: number }
): Steps<DifferenceInterval | undefined> {
  const differences = differencesOf(after, before)
  if (Either.isLeft(differences)) return undefined
  const blockLength = yield* blockLengthFor(differences.right, options.overlap)
  const key = [options.seed, "quantise", "held-out"]
  return Either.getOrUndefined(yield* pairedBlockBootstrap(after, before, { blockLength, key }))
}

const lossesOf = ({ probabilities }: ModelAnswers, { heldOut }: AskedRows) =>
  logLosses(Float64Array.from(probabilities), heldOut.label, sides.length)

const mostMoved = (before: Float32Array, after: Float32Array): number =>
  before.reduce((most, value, i) => Math.max(most, Math.abs(value - (after[i] as number))), 0)

export type QuantiseError =
  | ModelFileUnfit
  | InputTableUnfit
  | TooFewBars
  | NothingHeldOut
  | InputError
  | OutcomesRefused
  | RowRefused
  | TooFewOutcomes
  | QuantisationRefused
  | ReplacementRefused

export const quantiseModelFile = (
  file: ModelFile,
  bars: Bars,
  options: QuantiseOptions
): Effect.Effect<QuantisedModel, QuantiseError> =>
  Effect.gen(function* () {
    const { kind, modelHost } = options
    const parent = yield* checked(file)
    const { path, trained } = parent
    const unfit = (reason: string) => new ModelFileUnfit({ path, reason })
    const rows = yield* askedRows(parent, bars, parent.trained)
    const model = yield* Either.mapLeft(decode(parent.bytes), ({ reason }) => unfit(reason))
    const { calibration, scheme } = yield* schemeOf(model, parent, bars, rows, options)
    const quantised = yield* quantiseModel(model, scheme)
    const from: QuantisedFrom = {
      version: 1,
      kind,
      parent: parent.digest as QuantisedFrom["parent"],
      calibration
    }
    const artefact = encode({
      ...quantised.model,
      metadata: new Map([...quantised.model.metadata, [quantisationKey, canonicalJson(from)]])
    })
    yield* checkArtefact(artefact, parent)

    const { after, before, latency, moved } = yield* Effect.scoped(
      measured(artefact, parent, rows, modelHost)
    )
    const overlap = overlapOf(bars.instruments, trained.horizonBars)
    const interval = yield* stepwise(intervalOf(after, before, { overlap, seed: options.seed }))
    const measuresOf = (name: string, bytes: Uint8Array, losses: Float64Array, of: Latency) => ({
      name,
      bytes: bytes.length,
      latencyMs: { rows1: of.rows1.medianMs, rows64: of.rows64.medianMs },
      losses
    })
    const judgement = judgeCompression({
      before: measuresOf("float32", parent.bytes, before, latency.before),
      after: measuresOf(`int8 ${kind}`, artefact, after, latency.after),
      lossName: "log loss",
      bounds: { lossIncreaseMax: options.lossIncreaseMax },
      ...(interval === undefined ? {} : { interval })
    })
    yield* judgement.verdict
    return { artefact, from, matrices: quantised.matrices, judgement, latency, moved }
  })

/** Both models side by side: their losses and how long they take. */
const measured = (
  artefact: Uint8Array,
  parent: ModelFile,
  rows: AskedRows,
  modelHost: ModelRunOptions
): Effect.Effect<
  {
    readonly before: Float64Array
    readonly after: Float64Array
    readonly latency: QuantisedModel["latency"]
    readonly moved: Moved
  },
  ModelFileUnfit | OutcomesRefused,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const old = yield* openModel(parent, modelHost)
    const made = yield* openModel({ bytes: artefact, path: parent.path }, modelHost)
    const { columns, fill, heldOut } = rows
    const runRows = runRowsOf(parent)
    const [before, after] = [
      yield* askRows(old, heldOut, columns, fill, runRows),
      yield* askRows(made, heldOut, columns, fill, runRows)
    ]
    const [ofOld, ofMade] = yield* measureLatencies([old, made], rows)
    return {
      before: yield* lossesOf(before, rows),
      after: yield* lossesOf(after, rows),
      latency: { before: ofOld, after: ofMade },
      moved: {
        probability: mostMoved(before.probabilities, after.probabilities),
        score: mostMoved(before.score, after.score)
      }
    }
  })

/** It still is the opinion model that it was, and says where it comes from. */
const checkArtefact = (artefact: Uint8Array, parent: Trained): Effect.Effect<void> => {
  const said = (model: Omit<ModelFile, "path" | "digest">) => {
    const { featureNames, featureSchemaVersion, kind } = model.description
    return canonicalJson([kind, featureNames, featureSchemaVersion, model.trained ?? null])
  }
  return Either.match(checkModel(artefact), {
    onLeft: (reason) => Effect.dieMessage(`the quantised model is none: ${reason}`),
    onRight: (model) =>
      said(model) === said(parent) && readQuantisedFrom(model.description.metadata)?.parent === parent.digest
        ? Effect.void
        : Effect.dieMessage("the quantised model does not say what its parent said")
  })
}
