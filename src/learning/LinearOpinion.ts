/**
 * The linear opinion model: a standardised linear score, calibrated. The baseline that every network must
 * beat.
 *
 *   score = intercept + sum over features of coefficient * (x - mean) / deviation
 *
 * What can go wrong: parts of unequal lengths or numbers beyond float32 throw ArtefactInvalid. Features are
 * float32: one whose level is a million times its deviation loses its variation to rounding.
 * Invariants: equal parts give equal bytes; `evaluateLinear` is the reference of the graph, to 1e-5.
 */
import { ArtefactInvalid } from "./errors.ts"
import * as ops from "./graph/ops.ts"
import {
  type ArtefactLabels,
  buildOpinionModel,
  checkParameters,
  evaluateScore,
  type OpinionValues
} from "./OpinionModel.ts"
import { encode } from "./onnx/OnnxFile.ts"
import type { Calibrator } from "./ScoreCalibrator.ts"

export const linearKind = "linear"

/** What a LinearFit and a calibrator give. */
export interface LinearOpinion {
  /** Per feature, frozen from the training range. */
  readonly means: Float64Array
  readonly deviations: Float64Array
  /** Of the standardised features. */
  readonly coefficients: Float64Array
  readonly intercept: number
  readonly calibrator: Calibrator
}

/** The artefact: an ONNX file with the interface of OpinionModel. */
export const emitLinear = (model: LinearOpinion & ArtefactLabels): Uint8Array => {
  const count = model.featureNames.length
  checkParameters(linearKind, "the list of means", model.means, count)
  checkParameters(linearKind, "the list of deviations", model.deviations, count)
  checkParameters(linearKind, "the list of coefficients", model.coefficients, count)
  checkParameters(linearKind, "the intercept", [model.intercept], 1)
  if (!model.deviations.every((deviation) => Math.fround(deviation) > 0)) {
    throw new ArtefactInvalid({
      kind: linearKind,
      part: "the list of deviations",
      reason: "holds one that is not positive"
    })
  }
  return encode(
    buildOpinionModel(linearKind, model, model.calibrator, (features) => {
      const centred = ops.sub(features, ops.constant([count], model.means))
      const standardised = ops.div(centred, ops.constant([count], model.deviations))
      const sloped = ops.matmul(standardised, ops.constant([count, 1], model.coefficients))
      return ops.add(sloped, model.intercept)
    })
  )
}

/** The same in float64, for one row of raw features. */
export const evaluateLinear = (
  model: LinearOpinion,
  features: ArrayLike<number>,
  question: { readonly sigma: number; readonly band: number }
): OpinionValues => {
  let score = model.intercept
  for (let i = 0; i < model.coefficients.length; i++) {
    const centred = (features[i] as number) - (model.means[i] as number)
    score += ((model.coefficients[i] as number) * centred) / (model.deviations[i] as number)
  }
  return evaluateScore(model.calibrator, score, question)
}
