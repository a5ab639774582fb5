/**
 * The opinion model of a Tiny Recursive Model: one step of raw features in, normalised, improved step by step until its
 * network says that the answer is right, and what the classes are worth as the score (ClassOpinion.ts).
 *
 *   out  class_probabilities float32 [N, K]  stable-max of the logits, which is what was trained
 *        halt_probability    float32 [N, 1]  that the answer is right, as the network has it
 *        steps               float32 [N, 1]  supervision steps until the row halted
 *        normalised_features float32 [N, F]  what the network saw
 *
 * The loop over supervision steps is inside: it ends for a row at q > 0, or after the last step.
 *
 * What can go wrong: parts that do not fit, or numbers beyond float32, throw ArtefactInvalid. A recursion of so many layers
 * makes rounding grow: float32 and float64 agree less well the less the network settles.
 * Invariants: equal parts give equal bytes; what is trained on `normalise`d features is served on the same ones.
 */
import { buildClassModel, type ClassScore } from "../ClassOpinion.ts"
import { ArtefactInvalid } from "../errors.ts"
import * as ops from "../graph/ops.ts"
import { type Manifest, manifestOf } from "../graph/Parameters.ts"
import { batch } from "../graph/TensorType.ts"
import { checkNormalisation, normalised } from "../NetworkOpinion.ts"
import type { Normalisation } from "../networks/models.ts"
import { type ArtefactLabels, checkParameters } from "../OpinionModel.ts"
import { encode } from "../onnx/OnnxFile.ts"
import type { Calibrator } from "../ScoreCalibrator.ts"
import { trmNet } from "./TrmNet.ts"
import { trmAnswers, trmKind, trmMetadataKeys, trmOutputNames } from "./TrmServing.ts"
import { effectiveDepth, type TrmSizes, type TrmSpec } from "./TrmSpec.ts"

export const trmNetworkKind = `network-${trmKind}`

export const recursionKey = "conclave.recursion"

export const normalisedOutput = "normalised_features"

export interface TrmOpinion {
  readonly trm: TrmSpec
  /** Flat, in the order of `trmManifest`. */
  readonly parameters: ArrayLike<number>
  readonly normalisation: Normalisation
  /** None of them bore a weight. */
  readonly classes: ClassScore
  /** At most. */
  readonly supervisionSteps: number
  readonly calibrator: Calibrator
}

/** The parameters by name, in their places of the flat vector. */
export const trmManifest = (trm: TrmSpec): Manifest => {
  const { entries, size } = manifestOf((builder) => {
    trmNet(builder, trm)
  })
  return { entries, size }
}

/** The loops of the model, as they stand in its metadata. */
export const recursionOf = (sizes: TrmSizes, supervisionSteps: number) => ({
  /** T: recursions of a supervision step. */
  cycles: sizes.recursions,
  /** n: updates of the latent state before each of the answer. */
  latentSteps: sizes.latentSteps,
  layers: sizes.layers,
  /** T (n + 1) layers. */
  effectiveDepth: effectiveDepth(sizes),
  supervisionSteps
})

/** The artefact: an ONNX file with the interface of OpinionModel. */
export const emitTrm = (model: TrmOpinion & ArtefactLabels): Uint8Array => {
  const { calibrator, classes, normalisation, parameters, supervisionSteps, trm } = model
  const { sizes, task } = trm
  const kind = trmNetworkKind
  if (task.kind !== "features" || task.classes !== classes.names.length) {
    const reason = `does not answer with ${classes.names.length} classes`
    throw new ArtefactInvalid({ kind, part: "its task", reason })
  }
  if (!Array.from(classes.weights).every((weight) => weight === 1)) {
    throw new ArtefactInvalid({ kind, part: "the list of class weights", reason: "holds another than 1" })
  }
  const manifest = trmManifest(trm)
  const step = { length: 1, features: task.features }
  checkParameters(kind, "the list of parameters", parameters, manifest.size)
  checkNormalisation(kind, step, model, normalisation)
  const own = new Map([
    [trmMetadataKeys.sizes, JSON.stringify(sizes)],
    [trmMetadataKeys.supervisionSteps, String(supervisionSteps)],
    [recursionKey, JSON.stringify(recursionOf(sizes, supervisionSteps))]
  ])
  const build = (features: Parameters<typeof normalised>[0]) => {
    const x = ops.reshape(normalised(features, step, normalisation), [batch, task.features])
    const served = { sizes, manifest, parameters: Float32Array.from(parameters), supervisionSteps }
    const { haltProbability, probabilities, steps } = trmAnswers(served, task, x)
    return {
      probabilities,
      beside: [
        [trmOutputNames.haltProbability, haltProbability],
        [trmOutputNames.steps, steps],
        [normalisedOutput, x]
      ] as const
    }
  }
  return encode(buildClassModel(kind, model, calibrator, classes, build, own))
}
