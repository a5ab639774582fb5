/**
 * What trees can be trained to lower: for each loss its derivatives by the margins, its value and the best constant.
 *
 *   logistic        -y log p - (1 - y) log(1 - p), p = 1 / (1 + exp(-margin)), y in [0, 1]
 *   softmax         -log p[y], p = softmax(margins), y a class
 *   squared-error   (margin - y)^2 / 2 by its derivatives, (margin - y)^2 as reported
 *
 * Second derivatives are those that XGBoost uses: of the softmax 2 p (1 - p), twice the diagonal of the Hessian, which
 * bounds the whole of it where there are two classes.
 *
 * What can go wrong: labels outside what a loss knows; `labelFault` says so before training.
 * Invariant: derivatives are finite for finite margins, the second ones positive.
 */
import { type Link, sigmoid, softmax } from "./TreeEnsemble.ts"

export type LossName = "logistic" | "softmax" | "squared-error"

/** Of one row; `at` is where its margins begin. */
export interface TreeLoss {
  readonly link: Link
  readonly outputs: number
  readonly labelFault: (label: number) => string | undefined
  /** First derivatives into the front of `first`, second ones into that of `second`. */
  readonly derive: (
    margins: Float64Array,
    at: number,
    label: number,
    first: Float64Array,
    second: Float64Array
  ) => void
  readonly lossOf: (margins: Float64Array, at: number, label: number) => number
  /** The margins that lower the loss most without any tree. */
  readonly constant: (labels: ArrayLike<number>, weights: ArrayLike<number> | undefined) => Array<number>
}

/** Curvature vanishes where a prediction is certain; a leaf's value must not be divided by 0. */
const curvatureMin = 1e-16
/** Base rates are kept this far from 0, where their logarithm is needed. */
const rateMin = 1e-6

/** Of labels and margins of a regression: gains, which are sums of their squares, stay finite in float32. */
export const magnitudeMax = 1e12
/** Of rows: their sum, times that of squares, stays finite in float32. */
export const weightMax = 1e6

const weightedMean = (
  labels: ArrayLike<number>,
  weights: ArrayLike<number> | undefined,
  of: (label: number) => number
): number => {
  let sum = 0
  let total = 0
  for (let i = 0; i < labels.length; i++) {
    const weight = weights === undefined ? 1 : (weights[i] as number)
    sum += weight * of(labels[i] as number)
    total += weight
  }
  return sum / total
}

const logistic: TreeLoss = {
  link: "logistic",
  outputs: 1,
  labelFault: (label) => (label >= 0 && label <= 1 ? undefined : `is ${label}, not in [0, 1]`),
  derive: (margins, at, label, first, second) => {
    const p = sigmoid(margins[at] as number)
    first[0] = p - label
    second[0] = Math.max(p * (1 - p), curvatureMin)
  },
  lossOf: (margins, at, label) => {
    const margin = margins[at] as number
    return Math.max(margin, 0) - label * margin + Math.log1p(Math.exp(-Math.abs(margin)))
  },
  constant: (labels, weights) => {
    const rate = Math.min(
      Math.max(
        weightedMean(labels, weights, (label) => label),
        rateMin
      ),
      1 - rateMin
    )
    return [Math.log(rate / (1 - rate))]
  }
}

const squaredError: TreeLoss = {
  link: "identity",
  outputs: 1,
  labelFault: (label) => (Math.abs(label) <= magnitudeMax ? undefined : `is ${label}`),
  derive: (margins, at, label, first, second) => {
    first[0] = (margins[at] as number) - label
    second[0] = 1
  },
  lossOf: (margins, at, label) => ((margins[at] as number) - label) ** 2,
  constant: (labels, weights) => [weightedMean(labels, weights, (label) => label)]
}

const softmaxOf = (classes: number): TreeLoss => {
  const probabilities = new Float64Array(classes)
  return {
    link: "softmax",
    outputs: classes,
    labelFault: (label) =>
      Number.isInteger(label) && label >= 0 && label < classes
        ? undefined
        : `is ${label}, none of ${classes} classes`,
    derive: (margins, at, label, first, second) => {
      softmax(margins, at, classes, probabilities)
      for (let k = 0; k < classes; k++) {
        const p = probabilities[k] as number
        first[k] = p - (k === label ? 1 : 0)
        second[k] = Math.max(2 * p * (1 - p), curvatureMin)
      }
    },
    lossOf: (margins, at, label) => {
      let greatest = Number.NEGATIVE_INFINITY
      for (let k = 0; k < classes; k++) greatest = Math.max(greatest, margins[at + k] as number)
      let sum = 0
      for (let k = 0; k < classes; k++) sum += Math.exp((margins[at + k] as number) - greatest)
      return Math.log(sum) + greatest - (margins[at + label] as number)
    },
    constant: (labels, weights) => {
      const logs = Array.from({ length: classes }, (_, k) =>
        Math.log(
          Math.max(
            weightedMean(labels, weights, (label) => (label === k ? 1 : 0)),
            rateMin
          )
        )
      )
      const mean = logs.reduce((sum, one) => sum + one, 0) / classes
      return logs.map((one) => one - mean)
    }
  }
}

/** `classes` counts for a softmax only. */
export const treeLoss = (name: LossName, classes: number): TreeLoss =>
  name === "softmax" ? softmaxOf(classes) : name === "logistic" ? logistic : squaredError
