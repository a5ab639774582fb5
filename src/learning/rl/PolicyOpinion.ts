/**
 * The opinion model of what was learned by reinforcement: raw features, scaled as the environment scaled them, and beside them
 * what the environment says of a flat account; through the network; calibrated.
 *
 *   x     = clip((features - mean) / deviation, +-normalisedMax), then the numbers of a flat account
 *   score = Q(buy) - Q(sell)             of a network of action values
 *         = log p(buy) - log p(sell)     of a policy of actions
 *         = the likeliest exposure       of a policy of exposures
 *
 * Actions are sell, hold and buy, in that order. A score is no probability: a calibrator fitted on matured outcomes makes one
 * of it, as of every score.
 *
 * What can go wrong: parts that do not fit, a network that does not choose between three actions or one exposure, numbers
 * beyond float32 throw ArtefactInvalid.
 * Invariants: equal parts give equal bytes; what was trained behind the environment's scaling is served behind the same one.
 */
import { ArtefactInvalid } from "../errors.ts"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Manifest, servingBuilder } from "../graph/Parameters.ts"
import { batch } from "../graph/TensorType.ts"
import { checkNormalisation, normalised, normalisedMax } from "../NetworkOpinion.ts"
import type { Normalisation } from "../networks/models.ts"
import {
  type ArtefactLabels,
  buildOpinionModel,
  checkParameters,
  evaluateScore,
  type OpinionValues
} from "../OpinionModel.ts"
import { encode } from "../onnx/OnnxFile.ts"
import type { Calibrator } from "../ScoreCalibrator.ts"
import { type PolicySpec, policyGraph, policyManifest, policyOutputs, policyWidth, toBox } from "./Policy.ts"
import { type QNetworkSpec, qForward, qManifest, qNetwork } from "./QNetwork.ts"

export type LearnedNetwork =
  | { readonly kind: "q-network"; readonly network: QNetworkSpec }
  | { readonly kind: "policy"; readonly network: PolicySpec }

/** What gives a score. */
export interface PolicyScore {
  readonly learned: LearnedNetwork
  /** Flat, in the order of the network's manifest. */
  readonly parameters: Float32Array
  readonly normalisation: Normalisation
  /** What the environment observes of an account without a position, after the features. */
  readonly flatAccount: ReadonlyArray<number>
}

export type PolicyOpinion = PolicyScore & { readonly calibrator: Calibrator }

const sell = 0
const buy = 2
const actionCount = 3

const manifestFor = ({ kind, network }: LearnedNetwork): Manifest =>
  kind === "q-network" ? qManifest(network) : policyManifest(network)

/** The exposures that a policy chooses among; undefined where it chooses between actions. */
const boxOf = ({ kind, network }: LearnedNetwork) =>
  kind === "policy" && network.actionSpace.kind === "box" ? network.actionSpace : undefined

const check = (model: PolicyScore & ArtefactLabels): void => {
  const { featureNames, flatAccount, learned, normalisation, parameters } = model
  const { kind, network } = learned
  const refuse = (part: string, reason: string) => {
    throw new ArtefactInvalid({ kind, part, reason })
  }
  const width = kind === "q-network" ? network.actions : policyWidth(network)
  const box = boxOf(learned)
  const wanted = box === undefined ? actionCount : 1
  if (width !== wanted) refuse("the network", `gives ${width} numbers, not ${wanted}`)
  if (network.observations !== featureNames.length + flatAccount.length) {
    const seen = `${featureNames.length} features and ${flatAccount.length} numbers of the account`
    refuse("the network", `sees ${network.observations} numbers, not ${seen}`)
  }
  checkNormalisation(kind, { length: 1, features: featureNames.length }, model, normalisation)
  checkParameters(kind, "the flat account", flatAccount, flatAccount.length)
  if (box !== undefined) checkParameters(kind, "the box of exposures", [box.low, box.high], 2)
  checkParameters(kind, "the list of parameters", parameters, manifestFor(learned).size)
}

/** [N, 1], of the features [N, features]. */
const scoreOf = (
  { flatAccount, learned, normalisation, parameters }: PolicyScore,
  features: Value
): Value => {
  const columns = normalisation.means.length
  const scaled = ops.reshape(normalised(features, { length: 1, features: columns }, normalisation), [
    batch,
    columns
  ])
  const account = [...Array<number>(columns).fill(0), ...flatAccount]
  const x = ops.add(ops.pad(scaled, 1, 0, flatAccount.length), ops.constant([account.length], account))
  const builder = servingBuilder(manifestFor(learned), parameters)
  const outputs =
    learned.kind === "q-network"
      ? qNetwork(builder, learned.network)(x)
      : policyGraph(builder, learned.network)(x)
  const box = boxOf(learned)
  if (box !== undefined) {
    const share = ops.mul(ops.add(ops.max(ops.min(outputs, 1), -1), 1), 0.5)
    return ops.add(ops.mul(share, box.high - box.low), box.low)
  }
  return ops.sub(ops.slice(outputs, 1, buy, buy + 1), ops.slice(outputs, 1, sell, sell + 1))
}

/** The artefact: an ONNX file with the interface of OpinionModel. */
export const emitPolicy = (model: PolicyOpinion & ArtefactLabels): Uint8Array => {
  check(model)
  return encode(
    buildOpinionModel(model.learned.kind, model, model.calibrator, (features) => scoreOf(model, features))
  )
}

/** The score of a row of raw features: what a calibrator is fitted on. */
export const policyScorer = ({
  flatAccount,
  learned,
  normalisation,
  parameters
}: PolicyScore): ((features: ArrayLike<number>) => number) => {
  const manifest = manifestFor(learned)
  const box = boxOf(learned)
  const { means, deviations } = normalisation
  const x = new Float32Array(means.length + flatAccount.length)
  x.set(flatAccount, means.length)
  const outputs = new Float64Array(box === undefined ? actionCount : 1)
  const forward =
    learned.kind === "q-network"
      ? qForward(learned.network, manifest)
      : policyOutputs(learned.network, manifest)
  return (features) => {
    for (let k = 0; k < means.length; k++) {
      const scaled = ((features[k] as number) - (means[k] as number)) / (deviations[k] as number)
      x[k] = Math.min(normalisedMax, Math.max(-normalisedMax, scaled))
    }
    forward(parameters, x, 1, outputs)
    if (box !== undefined) return toBox(outputs[0] as number, box)
    return (outputs[buy] as number) - (outputs[sell] as number)
  }
}

/** One opinion, as the artefact gives it. */
export const evaluatePolicy = (
  model: PolicyOpinion,
  features: ArrayLike<number>,
  question: { readonly sigma: number; readonly band: number }
): OpinionValues => evaluateScore(model.calibrator, policyScorer(model)(features), question)
