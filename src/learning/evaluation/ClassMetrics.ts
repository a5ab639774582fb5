/**
 * How good forecasts of classes were: of probabilities [outcomes, classes], row-major, of probabilities of class 1
 * where there are two classes, and of classes alone. Labels count from 0.
 *
 * The losses of single outcomes are there by themselves: two models are compared by them. The Brier score of one
 * probability is the squared error in [0, 1]; that of a distribution sums over the classes, so that with two classes
 * it is twice that.
 *
 * What can go wrong: unequal lengths, labels that name no class, probabilities that are none (RowRefused), nothing to
 * judge (TooFewOutcomes).
 */
import { Either } from "effect"
import {
  type OutcomesRefused,
  refuseDistributions,
  refuseLabels,
  refuseNone,
  refuseProbabilities
} from "./checks.ts"
import { EvaluationInvalid } from "./errors.ts"
import { brier, logLoss, mean, surprise } from "./Scoring.ts"

type Numbers = ArrayLike<number>
type Measured<A> = Either.Either<A, OutcomesRefused>

const classesMax = 10_000

const checkClasses = (classes: number): void => {
  if (Number.isInteger(classes) && classes >= 2 && classes <= classesMax) return
  throw new EvaluationInvalid({
    part: "the number of classes",
    reason: `is ${classes}, not 2 to ${classesMax}`
  })
}

/** Undefined where every row is a distribution with a label. */
const refuseForecasts = (probabilities: Numbers, labels: Numbers, classes: number) => {
  checkClasses(classes)
  const n = labels.length
  return (
    refuseNone(n) ??
    refuseDistributions("probabilities", probabilities, n, classes) ??
    refuseLabels("label", labels, n, classes)
  )
}

const lossesOf =
  (rule: (probabilities: ArrayLike<number>, label: number) => number) =>
  (probabilities: Numbers, labels: Numbers, classes: number): Measured<Float64Array> => {
    const refused = refuseForecasts(probabilities, labels, classes)
    if (refused !== undefined) return Either.left(refused)
    const row = new Float64Array(classes)
    return Either.right(
      Float64Array.from({ length: labels.length }, (_, outcome) => {
        for (let i = 0; i < classes; i++) row[i] = probabilities[outcome * classes + i] as number
        return rule(row, labels[outcome] as number)
      })
    )
  }

const binaryLossesOf =
  (rule: (probabilityOfTruth: number) => number) =>
  (probabilities: Numbers, labels: Numbers): Measured<Float64Array> => {
    const n = labels.length
    const refused =
      refuseNone(n) ??
      refuseProbabilities("probability", probabilities, n) ??
      refuseLabels("label", labels, n, 2)
    if (refused !== undefined) return Either.left(refused)
    return Either.right(
      Float64Array.from({ length: n }, (_, i) => {
        const probability = probabilities[i] as number
        return rule(labels[i] === 1 ? probability : 1 - probability)
      })
    )
  }

/** In nats; a probability below `probabilityFloor` counts as that. */
export const logLosses = lossesOf(logLoss)
export const brierScores = lossesOf(brier)
/** Of the probability of class 1. */
export const binaryLogLosses = binaryLossesOf(surprise)
export const binaryBrierScores = binaryLossesOf((probability) => (1 - probability) ** 2)

export const meanLogLoss = (probabilities: Numbers, labels: Numbers, classes: number) =>
  Either.map(logLosses(probabilities, labels, classes), mean)
export const meanBrierScore = (probabilities: Numbers, labels: Numbers, classes: number) =>
  Either.map(brierScores(probabilities, labels, classes), mean)
export const meanBinaryLogLoss = (probabilities: Numbers, labels: Numbers) =>
  Either.map(binaryLogLosses(probabilities, labels), mean)
export const meanBinaryBrierScore = (probabilities: Numbers, labels: Numbers) =>
  Either.map(binaryBrierScores(probabilities, labels), mean)

export interface TopLabels {
  /** The most probable class of every outcome, among equals the first. */
  readonly predicted: Int32Array
  /** Its probability. */
  readonly confidence: Float64Array
  /** 1 where it is what happened. */
  readonly correct: Uint8Array
}

/** What the forecasts say when they may name one class alone. */
export const topLabels = (probabilities: Numbers, labels: Numbers, classes: number): Measured<TopLabels> => {
  const refused = refuseForecasts(probabilities, labels, classes)
  if (refused !== undefined) return Either.left(refused)
  const n = labels.length
  const predicted = new Int32Array(n)
  const confidence = new Float64Array(n)
  const correct = new Uint8Array(n)
  for (let outcome = 0; outcome < n; outcome++) {
    let best = 0
    for (let i = 1; i < classes; i++) {
      const better =
        (probabilities[outcome * classes + i] as number) > (probabilities[outcome * classes + best] as number)
      if (better) best = i
    }
    predicted[outcome] = best
    confidence[outcome] = probabilities[outcome * classes + best] as number
    correct[outcome] = best === labels[outcome] ? 1 : 0
  }
  return Either.right({ predicted, confidence, correct })
}

/** Counts [classes, classes], row-major: rows are what happened, columns what was predicted. */
export const confusion = (predicted: Numbers, labels: Numbers, classes: number): Measured<Float64Array> => {
  checkClasses(classes)
  const n = labels.length
  const refused =
    refuseNone(n) ??
    refuseLabels("predicted", predicted, n, classes) ??
    refuseLabels("label", labels, n, classes)
  if (refused !== undefined) return Either.left(refused)
  const counts = new Float64Array(classes * classes)
  for (let i = 0; i < n; i++) {
    const at = (labels[i] as number) * classes + (predicted[i] as number)
    counts[at] = (counts[at] as number) + 1
  }
  return Either.right(counts)
}

/** The share of predicted classes that happened. */
export const accuracy = (predicted: Numbers, labels: Numbers, classes: number): Measured<number> =>
  Either.map(confusion(predicted, labels, classes), (counts) => {
    let correct = 0
    for (let i = 0; i < classes; i++) correct += counts[i * classes + i] as number
    return correct / labels.length
  })

/**
 * The mean over classes of F1 = 2 TP / (2 TP + FP + FN). A class that neither happened nor was predicted is left
 * out; one that was never hit counts 0.
 */
export const macroF1 = (predicted: Numbers, labels: Numbers, classes: number): Measured<number> =>
  Either.map(confusion(predicted, labels, classes), (counts) => {
    let sum = 0
    let seen = 0
    for (let i = 0; i < classes; i++) {
      let happenedOrPredicted = 0
      for (let j = 0; j < classes; j++) {
        happenedOrPredicted += (counts[i * classes + j] as number) + (counts[j * classes + i] as number)
      }
      if (happenedOrPredicted === 0) continue
      seen++
      sum += (2 * (counts[i * classes + i] as number)) / happenedOrPredicted
    }
    return sum / seen
  })
