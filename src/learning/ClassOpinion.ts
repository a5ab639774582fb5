/**
 * The opinion model of a classifier: probabilities over named classes, and what the classes are worth.
 *
 *   value_k = sum of z over the rows of class k / (rows of class k + ridgeRows)
 *   score   = sum over the classes of p_k value_k
 *
 * The value of a class is the expected return over the horizon, in sigmas, given the class: ridge regression of z on the
 * indicators of the classes (Hoerl and Kennard, 1970), which is the posterior mean of each class's mean under a normal
 * prior around 0 whose variance is 1 / ridgeRows of that of z. A class that was hardly seen is worth next to nothing; one
 * that was never seen, nothing. By the law of total expectation the score is then the expected return, in sigmas, as far as
 * a class says all that the features say of it; how far it is believed, the calibrator says.
 *
 * Classes that are rare may weigh more in the loss. The least expected loss under weights w is at probabilities q_k
 * in proportion to w_k p_k (Elkan, 2001): the logarithm of the weights is taken off the logits again, so that what is
 * served are probabilities of classes as they occur.
 *
 *   out  class_probabilities float32 [N, K]  in the order of the class names in the metadata
 *
 * What can go wrong: labels that name no class, or returns that are not finite (RowRefused); parts that do not fit throw
 * ArtefactInvalid.
 */
import { Either } from "effect"
import { ArtefactInvalid, NotAnOpinionModel, RowRefused } from "./errors.ts"
import type { Value } from "./graph/Graph.ts"
import * as ops from "./graph/ops.ts"
import {
  type ArtefactLabels,
  buildScoredModel,
  checkParameters,
  isBatchOf,
  parseNames,
  type Scored
} from "./OpinionModel.ts"
import type { ModelProto } from "./onnx/OnnxFile.ts"
import type { Calibrator } from "./ScoreCalibrator.ts"

export const classOutput = "class_probabilities"
export const classNamesKey = "conclave.class_names"

/** What turns probabilities of classes into a score. */
export interface ClassScore {
  readonly names: ReadonlyArray<string>
  /** Expected return of each class, in sigmas. */
  readonly values: ArrayLike<number>
  /** That each class bore in the loss. */
  readonly weights: ArrayLike<number>
}

/** Of one column each, of equal lengths. */
export interface ClassOutcomes {
  /** Index of the class. */
  readonly label: ArrayLike<number>
  /** Realised log return over the sigma known as-of. */
  readonly z: ArrayLike<number>
}

export const fitClassValues = (
  { label, z }: ClassOutcomes,
  options: { readonly classes: number; readonly ridgeRows: number }
): Either.Either<Float64Array, RowRefused> => {
  const sums = new Float64Array(options.classes)
  const counts = new Float64Array(options.classes)
  for (let i = 0; i < label.length; i++) {
    const k = label[i] as number
    const value = z[i] as number
    if (!(Number.isInteger(k) && k >= 0 && k < options.classes)) {
      return Either.left(new RowRefused({ row: i + 1, column: "class", reason: `is ${k}` }))
    }
    if (!Number.isFinite(value)) {
      return Either.left(new RowRefused({ row: i + 1, column: "z", reason: `is ${value}` }))
    }
    sums[k] = (sums[k] as number) + value
    counts[k] = (counts[k] as number) + 1
  }
  return Either.right(
    sums.map((sum, k) => (counts[k] === 0 ? 0 : sum / ((counts[k] as number) + options.ridgeRows)))
  )
}

/**
 * The weight of each class in the loss: as if all that occur were equally frequent, but never more than `ratioMax` times
 * that of the least, and 1 on average over the rows.
 *
 *   w_k = c min(1 / rows_k, ratioMax min_j 1 / rows_j),  c such that sum_k rows_k w_k = sum_k rows_k
 *
 * A class that does not occur gets the largest weight.
 */
export const classWeights = (
  label: ArrayLike<number>,
  options: { readonly classes: number; readonly ratioMax: number }
): Float64Array => {
  const counts = new Float64Array(options.classes)
  for (let i = 0; i < label.length; i++) {
    const k = label[i] as number
    counts[k] = (counts[k] as number) + 1
  }
  const most = counts.reduce((max, count) => Math.max(max, count), 1)
  const raw = counts.map((count) =>
    Math.min(count === 0 ? Number.POSITIVE_INFINITY : most / count, options.ratioMax)
  )
  const total = raw.reduce((sum, weight, k) => sum + weight * (counts[k] as number), 0)
  return raw.map((weight) => (weight * Math.max(1, label.length)) / Math.max(1, total))
}

/** [N, K] logits of the classes as they occur, of those that were trained under weights. */
export const withoutWeights = (logits: Value, { weights }: ClassScore): Value =>
  ops.sub(logits, ops.constant([weights.length], Array.from(weights, Math.log)))

/** The score in float64, for one row of probabilities. */
export const evaluateClasses = ({ values }: ClassScore, probabilities: ArrayLike<number>): number => {
  let score = 0
  for (let k = 0; k < values.length; k++) score += (probabilities[k] as number) * (values[k] as number)
  return score
}

/**
 * Builds an opinion model around a classifier.
 *
 * @param emit raw features [N, F] -> probabilities [N, K], and what else is given out
 */
export const buildClassModel = (
  kind: string,
  labels: ArtefactLabels,
  calibrator: Calibrator,
  classes: ClassScore,
  emit: (features: Value) => { readonly probabilities: Value; readonly beside?: Scored["beside"] },
  own: ReadonlyMap<string, string> = new Map()
): ModelProto => {
  const { names, values, weights } = classes
  const count = names.length
  checkParameters(kind, "the list of class values", values, count)
  checkParameters(kind, "the list of class weights", weights, count)
  if (count < 2 || new Set(names).size !== count || names.includes("")) {
    const reason = "are not two or more different ones"
    throw new ArtefactInvalid({ kind, part: "the names of its classes", reason })
  }
  if (!Array.from(weights).every((weight) => weight > 0)) {
    const reason = "holds one that is not positive"
    throw new ArtefactInvalid({ kind, part: "the list of class weights", reason })
  }
  const metadata = new Map([[classNamesKey, JSON.stringify(names)], ...own])
  return buildScoredModel(kind, labels, calibrator, metadata, (features) => {
    const { beside = [], probabilities } = emit(features)
    return {
      score: ops.matmul(probabilities, ops.constant([count, 1], values)),
      beside: [[classOutput, probabilities], ...beside]
    }
  })
}

/** The classes of an opinion model, in the order of its output; undefined for one that is no classifier. */
export const describeClasses = (
  model: ModelProto
): Either.Either<ReadonlyArray<string> | undefined, NotAnOpinionModel> => {
  const text = model.metadata.get(classNamesKey)
  if (text === undefined) return Either.right(undefined)
  const unfit = (reason: string) => Either.left(new NotAnOpinionModel({ reason }))
  const names = parseNames(text)
  if (names === undefined) return unfit(`its metadata "${classNamesKey}" is no list of names`)
  const output = model.graph.outputs.find(({ name }) => name === classOutput)
  return isBatchOf(output, names.length)
    ? Either.right(names)
    : unfit(`its output "${classOutput}" is not float [N, ${names.length}]`)
}
