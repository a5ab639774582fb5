/**
 * The opinion model of a network: a sequence of raw features in one row, the oldest step first, normalised, through the
 * network, calibrated.
 *
 *   x     = clip((features - mean) / deviation, +-normalisedMax)   [N, length, features]
 *   score = the network's expected return, in sigmas of the horizon
 *
 * The score is the mean of a regression or of a Gaussian head, and of a head of quantiles the one nearest to the middle;
 * of a head of classes it is what they are worth on average (ClassOpinion.ts).
 *
 * What can go wrong: parts that do not fit, numbers beyond float32, a head that has no expected return throw
 * ArtefactInvalid.
 * Invariants: equal parts give equal bytes; what is trained on `normalise`d features is served on the same ones.
 */
import { buildClassModel, type ClassScore, withoutWeights } from "./ClassOpinion.ts"
import { ArtefactInvalid } from "./errors.ts"
import type { Value } from "./graph/Graph.ts"
import * as ops from "./graph/ops.ts"
import { type Manifest, manifestOf, servingBuilder } from "./graph/Parameters.ts"
import { batch } from "./graph/TensorType.ts"
import { answersOf } from "./networks/head.ts"
import type { Normalisation } from "./networks/models.ts"
import { headSize, type NetworkSpec } from "./networks/NetworkSpec.ts"
import { networkOf } from "./networks/network.ts"
import { type ArtefactLabels, buildOpinionModel, checkParameters } from "./OpinionModel.ts"
import { encode } from "./onnx/OnnxFile.ts"
import type { Calibrator } from "./ScoreCalibrator.ts"

/** A feature that lies further from its mean, in deviations, counts as this: prices have heavy tails. */
export const normalisedMax = 10

export interface NetworkOpinion {
  readonly network: NetworkSpec
  /** Flat, in the order of the network's manifest. */
  readonly parameters: ArrayLike<number>
  readonly normalisation: Normalisation
  readonly calibrator: Calibrator
}

export const networkKind = ({ body }: NetworkSpec): string => `network-${body.kind}`

/** The parameters of a network, by name, in their places of the flat vector. */
export const networkManifest = (network: NetworkSpec): Manifest => {
  const { entries, size } = manifestOf((builder) =>
    networkOf(network)(builder, ops.input("x", [1, network.length, network.features]))
  )
  return { entries, size }
}

/** Of each feature over the rows of a series [rows, features]; the deviation of a constant is 1. */
export const fitNormalisation = (series: Float32Array, features: number): Normalisation => {
  const rows = series.length / features
  const means = new Float64Array(features)
  const deviations = new Float64Array(features)
  for (let k = 0; k < features; k++) {
    let mean = 0
    for (let i = k; i < series.length; i += features) mean += (series[i] as number) / rows
    let variance = 0
    for (let i = k; i < series.length; i += features) variance += ((series[i] as number) - mean) ** 2 / rows
    const deviation = Math.sqrt(variance)
    means[k] = mean
    // What float32 leaves of a constant is rounding.
    deviations[k] = deviation > 1e-6 * Math.abs(mean) && Math.fround(deviation) > 0 ? deviation : 1
  }
  return { means, deviations }
}

/** The features of a series [rows, features] as the network sees them. */
export const normalise = (
  series: Float32Array,
  { deviations, means }: Normalisation,
  features: number
): Float32Array =>
  series.map((value, i) => {
    const k = i % features
    const x = (value - (means[k] as number)) / (deviations[k] as number)
    return Math.min(normalisedMax, Math.max(-normalisedMax, x))
  })

/** [N, length * features] -> [N, length, features], as the network was trained on it. */
export const normalised = (
  features: Value,
  { length, features: width }: Pick<NetworkSpec, "length" | "features">,
  { deviations, means }: Normalisation
): Value => {
  const x = ops.reshape(features, [batch, length, width])
  const centred = ops.sub(x, ops.constant([width], means))
  const scaled = ops.div(centred, ops.constant([width], deviations))
  return ops.max(ops.min(scaled, normalisedMax), -normalisedMax)
}

/** [N, 1], of the network's output. */
const expectedReturn = (kind: string, { head }: NetworkSpec, output: Value): Value => {
  if (head.kind === "classification" || head.outputs !== 1) {
    throw new ArtefactInvalid({ kind, part: "its head", reason: "does not answer with one return" })
  }
  if (head.kind !== "quantiles") return (answersOf(head, output)[0] as readonly [string, Value])[1]
  const distances = head.levels.map((level) => Math.abs(level - 0.5))
  const middle = distances.indexOf(Math.min(...distances))
  return ops.slice(output, 1, middle, middle + 1)
}

/** Refuses the parts that a sequence of raw features is normalised by, where they are not of its size. */
export const checkNormalisation = (
  kind: string,
  { length, features }: Pick<NetworkSpec, "length" | "features">,
  { featureNames }: ArtefactLabels,
  { deviations, means }: Normalisation
): void => {
  if (featureNames.length !== length * features) {
    const reason = `are ${featureNames.length}, not ${length} x ${features}`
    throw new ArtefactInvalid({ kind, part: "its features", reason })
  }
  checkParameters(kind, "the list of means", means, features)
  checkParameters(kind, "the list of deviations", deviations, features)
  if (!Array.from(deviations).every((deviation) => Math.fround(deviation) > 0)) {
    throw new ArtefactInvalid({
      kind,
      part: "the list of deviations",
      reason: "holds one that is not positive"
    })
  }
}

/** What computes the network's output [N, size of its head] of the raw features, once its parts are known to fit. */
const outputOf = (model: NetworkOpinion & ArtefactLabels): ((features: Value) => Value) => {
  const { network, normalisation, parameters } = model
  const kind = networkKind(network)
  const manifest = networkManifest(network)
  checkParameters(kind, "the list of parameters", parameters, manifest.size)
  checkNormalisation(kind, network, model, normalisation)
  return (features) => {
    const x = normalised(features, network, normalisation)
    const output = networkOf(network)(servingBuilder(manifest, parameters), x)
    return ops.reshape(output, [batch, headSize(network.head)])
  }
}

/** The artefact: an ONNX file with the interface of OpinionModel. */
export const emitNetwork = (model: NetworkOpinion & ArtefactLabels): Uint8Array => {
  const { network } = model
  const kind = networkKind(network)
  const output = outputOf(model)
  return encode(
    buildOpinionModel(kind, model, model.calibrator, (features) =>
      expectedReturn(kind, network, output(features))
    )
  )
}

/** The same of a network with a head of classes, as ClassOpinion has it. */
export const emitClassNetwork = (
  model: NetworkOpinion & ArtefactLabels & { readonly classes: ClassScore }
): Uint8Array => {
  const { classes, network } = model
  const { head } = network
  const kind = networkKind(network)
  if (head.kind !== "classification" || head.classes !== classes.names.length) {
    const reason = `does not answer with ${classes.names.length} classes`
    throw new ArtefactInvalid({ kind, part: "its head", reason })
  }
  const output = outputOf(model)
  return encode(
    buildClassModel(kind, model, model.calibrator, classes, (features) => ({
      probabilities: ops.softmax(withoutWeights(output(features), classes))
    }))
  )
}
