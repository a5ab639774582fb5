/**
 * The one interface of every model that gives opinions, whatever is inside: raw features in, calibrated
 * opinions out, in one ONNX file that carries its description with it.
 *
 *   in   features        float32 [N, F]  raw, in the order of the feature names
 *        sigma           float32 [N, 1]  standard deviation of the horizon's log return, known as-of
 *        band            float32 [N, 1]  half the width of the hold zone, a log return, positive
 *   out  probabilities   float32 [N, 3]  sell, hold, buy
 *        expected_return float32 [N, 1]  a log return
 *        spread          float32 [N, 1]  standard deviation of the log return around it
 *        score           float32 [N, 1]  what the model said before calibration
 *
 * What can go wrong: a file that is sound ONNX and yet something else; `describe` gives NotAnOpinionModel.
 * Inputs that are not finite come out as anything: whoever runs the model refuses them.
 * Invariants: probabilities are a distribution (within float32); the graph and `evaluateScore` agree to 1e-5.
 */
import { Either } from "effect"
import { ArtefactInvalid, NotAnOpinionModel } from "./errors.ts"
import { type Value, within } from "./graph/Graph.ts"
import * as ops from "./graph/ops.ts"
import { batch } from "./graph/TensorType.ts"
import { toOnnx } from "./graph/toOnnx.ts"
import type { ModelProto, ValueInfoProto } from "./onnx/OnnxFile.ts"
import { type Calibrator, calibrate, clampScore, type SideProbabilities } from "./ScoreCalibrator.ts"

export const outputNames = ["probabilities", "expected_return", "spread", "score"] as const

/** The batch size, as ONNX names it. */
const batchName = "N"

const keyPrefix = "conclave."
export const metadataKeys = {
  kind: `${keyPrefix}kind`,
  featureNames: `${keyPrefix}feature_names`,
  featureSchemaVersion: `${keyPrefix}feature_schema_version`
} as const

/** What every emitter is told beside its parameters. */
export interface ArtefactLabels {
  readonly featureNames: ReadonlyArray<string>
  readonly featureSchemaVersion: number
  /** Strings of the manifest that travel with the file; keys that start with "conclave." are taken. */
  readonly metadata?: Readonly<Record<string, string>>
}

export interface OpinionModelDescription {
  readonly kind: string
  readonly featureNames: ReadonlyArray<string>
  readonly featureSchemaVersion: number
  /** All of the file's metadata, the above included. */
  readonly metadata: ReadonlyMap<string, string>
}

/** One opinion, as the reference in float64 computes it. */
export interface OpinionValues {
  readonly probabilities: SideProbabilities
  readonly expectedReturn: number
  readonly spread: number
  readonly score: number
}

/** What a calibrated score says under a question's sigma and band. */
export const evaluateScore = (
  calibrator: Calibrator,
  score: number,
  question: { readonly sigma: number; readonly band: number }
): OpinionValues => ({
  probabilities: calibrate(calibrator, score, Math.log(question.band / question.sigma)),
  expectedReturn: calibrator.slope * clampScore(calibrator, score) * question.sigma,
  spread: calibrator.residualDeviation * question.sigma,
  score
})

/** What an emitter makes of the raw features, [N, F]. */
export interface Scored {
  /** [N, 1] */
  readonly score: Value
  /** Outputs that the model has beyond those of the interface. */
  readonly beside: ReadonlyArray<readonly [name: string, value: Value]>
}

/**
 * Builds an opinion model around what computes the score: `emitScore` gets the raw features, [N, F], and returns the
 * score, [N, 1].
 */
export const buildOpinionModel = (
  kind: string,
  labels: ArtefactLabels,
  calibrator: Calibrator,
  emitScore: (features: Value) => Value
): ModelProto =>
  buildScoredModel(kind, labels, calibrator, new Map(), (features) => ({
    score: emitScore(features),
    beside: []
  }))

/**
 * The same around what gives more than a score.
 *
 * @param own metadata of the emitter, beyond that of every opinion model
 */
export const buildScoredModel = (
  kind: string,
  labels: ArtefactLabels,
  calibrator: Calibrator,
  own: ReadonlyMap<string, string>,
  emit: (features: Value) => Scored
): ModelProto => {
  const metadata = new Map([...metadataOf(kind, labels), ...own])
  checkCalibrator(kind, calibrator)
  return within(kind, () => {
    const features = ops.input("features", [batch, labels.featureNames.length])
    const sigma = ops.input("sigma", [batch, 1])
    const band = ops.input("band", [batch, 1])
    const { beside, score } = emit(features)
    return toOnnx({
      name: kind,
      inputs: [features, sigma, band],
      outputs: [...calibratedOutputs(calibrator, { score, sigma, band }), ["score", score], ...beside],
      metadata
    })
  })
}

/** Refuses a calibrator that ONNX would carry silently and wrongly. */
export const checkCalibrator = (kind: string, calibrator: Calibrator): void =>
  checkParameters(kind, "the calibrator", numbersOf(calibrator), 11)

const numbersOf = ({ sell, buy, scoreMax, logBandMin, logBandMax, slope, residualDeviation }: Calibrator) =>
  [sell, buy]
    .flatMap((logit) => [logit.intercept, logit.score, logit.band])
    .concat(scoreMax, logBandMin, logBandMax, slope, residualDeviation)

/** The float32 operations that `evaluateScore` is the reference of. */
export const calibratedOutputs = (
  calibrator: Calibrator,
  { band, score, sigma }: { readonly score: Value; readonly sigma: Value; readonly band: Value }
): ReadonlyArray<readonly [name: string, value: Value]> => {
  const { buy, logBandMax, logBandMin, scoreMax, sell } = calibrator
  const clip = (x: Value, low: number, high: number) => ops.min(ops.max(x, low), high)
  const clamped = clip(score, -scoreMax, scoreMax)
  // Without volatility the ratio is infinite, and clipped like any other that was never seen.
  const logBand = clip(ops.log(ops.div(band, sigma)), logBandMin, logBandMax)
  const slopes = ops.constant([2, 3], [sell.score, 0, buy.score, sell.band, 0, buy.band])
  const intercepts = ops.constant([3], [sell.intercept, 0, buy.intercept])
  const logits = ops.add(ops.matmul(ops.concat([clamped, logBand], 1), slopes), intercepts)
  return [
    ["probabilities", ops.softmax(logits, 1)],
    ["expected_return", ops.mul(ops.mul(clamped, calibrator.slope), sigma)],
    ["spread", ops.mul(sigma, calibrator.residualDeviation)]
  ]
}

const metadataOf = (kind: string, labels: ArtefactLabels): ReadonlyMap<string, string> => {
  const given = Object.entries(labels.metadata ?? {})
  const taken = given.find(([key]) => key.startsWith(keyPrefix))
  if (taken !== undefined)
    throw new ArtefactInvalid({ kind, part: `metadata "${taken[0]}"`, reason: "has a taken key" })
  if (labels.featureNames.length === 0)
    throw new ArtefactInvalid({ kind, part: "its features", reason: "are none" })
  return new Map([
    ...given,
    [metadataKeys.kind, kind],
    [metadataKeys.featureNames, JSON.stringify(labels.featureNames)],
    [metadataKeys.featureSchemaVersion, String(labels.featureSchemaVersion)]
  ])
}

/**
 * Refuses parameters that ONNX would carry silently: lists of a wrong length, numbers that float32 cannot
 * hold.
 */
export const checkParameters = (
  kind: string,
  part: string,
  values: ArrayLike<number>,
  length: number
): void => {
  if (values.length !== length) {
    throw new ArtefactInvalid({ kind, part, reason: `has ${values.length} values instead of ${length}` })
  }
  for (let i = 0; i < length; i++) {
    if (!Number.isFinite(Math.fround(values[i] as number))) {
      throw new ArtefactInvalid({ kind, part, reason: `holds ${values[i]}, which float32 cannot` })
    }
  }
}

const isNames = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string" && name !== "")

/** A list of names as it stands in the metadata, or undefined. */
export const parseNames = (json: string): ReadonlyArray<string> | undefined => {
  try {
    const value: unknown = JSON.parse(json)
    return isNames(value) ? value : undefined
  } catch {
    return undefined
  }
}

export const isBatchOf = (value: ValueInfoProto | undefined, columns: number) =>
  value?.elementType === "float" &&
  value.dims?.length === 2 &&
  value.dims[0] === batchName &&
  value.dims[1] === columns

/** Reads what a file says about itself, and checks that it has the inputs and outputs of an opinion model. */
export const describe = (model: ModelProto): Either.Either<OpinionModelDescription, NotAnOpinionModel> => {
  const unfit = (reason: string) => Either.left(new NotAnOpinionModel({ reason }))
  const kind = model.metadata.get(metadataKeys.kind)
  if (kind === undefined || kind === "") return unfit(`its metadata lacks "${metadataKeys.kind}"`)
  const featureNames = parseNames(model.metadata.get(metadataKeys.featureNames) ?? "")
  if (featureNames === undefined)
    return unfit(`its metadata "${metadataKeys.featureNames}" is no list of names`)
  const version = model.metadata.get(metadataKeys.featureSchemaVersion) ?? ""
  if (!/^\d{1,9}$/.test(version))
    return unfit(`its metadata "${metadataKeys.featureSchemaVersion}" is no number`)

  const { inputs, outputs } = model.graph
  const expectedInputs = [
    ["features", featureNames.length],
    ["sigma", 1],
    ["band", 1]
  ] as const
  if (inputs.length !== expectedInputs.length) return unfit(`it has ${inputs.length} inputs, not 3`)
  for (const [name, columns] of expectedInputs) {
    const fits = isBatchOf(
      inputs.find((input) => input.name === name),
      columns
    )
    if (!fits) return unfit(`its input "${name}" is not float [${batchName}, ${columns}]`)
  }
  for (const name of outputNames) {
    const columns = name === "probabilities" ? 3 : 1
    const fits = isBatchOf(
      outputs.find((output) => output.name === name),
      columns
    )
    if (!fits) return unfit(`its output "${name}" is not float [${batchName}, ${columns}]`)
  }
  return Either.right({ kind, featureNames, featureSchemaVersion: Number(version), metadata: model.metadata })
}
