/**
 * The opinion model of a table of action values: raw features are binned by rising thresholds, the bins
 * number a state, and the score is what buying is worth there more than selling, at a flat position; then
 * calibrated.
 *
 *   bin(feature) = how many of its thresholds are <= x
 *   market state = sum over features of bin * stride, the last feature varying fastest
 *   table row    = market state * positions.count + positions.flat
 *   score        = Q[row, buy] - Q[row, sell]
 *
 * What can go wrong: a table that does not have the size that thresholds and positions ask for, thresholds
 * that do not rise, states beyond what float32 counts exactly: ArtefactInvalid.
 * Invariants: `discretise` compares in float32, as the graph does, so that training and serving agree about
 * every state, on the edges too; equal parts give equal bytes.
 */

import { ArtefactInvalid } from "./errors.ts"
import * as ops from "./graph/ops.ts"
import { batch } from "./graph/TensorType.ts"
import {
  type ArtefactLabels,
  buildOpinionModel,
  checkParameters,
  evaluateScore,
  type OpinionValues
} from "./OpinionModel.ts"
import { encode } from "./onnx/OnnxFile.ts"
import type { Calibrator } from "./ScoreCalibrator.ts"

export const qTableKind = "q-table"

/** float32 counts exactly to 2^24. */
const statesMax = 2 ** 24

export interface QTableOpinion {
  /** Per feature, strictly rising also in float32; none leaves the feature out. */
  readonly thresholds: ReadonlyArray<ReadonlyArray<number>>
  /** Positions that are part of the environment's state, and which of them is flat; left out: none are. */
  readonly positions?: { readonly count: number; readonly flat: number }
  /** [market states * positions, 3], row-major, actions in the order sell, hold, buy. */
  readonly q: Float64Array
  readonly calibrator: Calibrator
}

/** How many states the thresholds tell apart. */
export const marketStates = (thresholds: ReadonlyArray<ReadonlyArray<number>>): number =>
  thresholds.reduce((product, edges) => product * (edges.length + 1), 1)

const stridesOf = (thresholds: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> =>
  thresholds.map((_, i) => marketStates(thresholds.slice(i + 1)))

/** The market state of raw features, in [0, marketStates). What is NaN falls into the lowest bin. */
export const discretise = (
  thresholds: ReadonlyArray<ReadonlyArray<number>>,
  features: ArrayLike<number>
): number => {
  let state = 0
  for (let i = 0; i < thresholds.length; i++) {
    const edges = thresholds[i] as ReadonlyArray<number>
    const value = Math.fround(features[i] as number)
    let bin = 0
    while (bin < edges.length && value >= Math.fround(edges[bin] as number)) bin++
    state = state * (edges.length + 1) + bin
  }
  return state
}

const noPositions = { count: 1, flat: 0 }

const check = (model: QTableOpinion & ArtefactLabels): void => {
  const refuse = (part: string, reason: string) => {
    throw new ArtefactInvalid({ kind: qTableKind, part, reason })
  }
  if (model.thresholds.length !== model.featureNames.length) {
    refuse(
      "the thresholds",
      `are for ${model.thresholds.length} features instead of ${model.featureNames.length}`
    )
  }
  model.thresholds.forEach((edges, i) => {
    const part = `the list of thresholds of "${model.featureNames[i]}"`
    checkParameters(qTableKind, part, edges, edges.length)
    const rises = edges.every((edge, j) => j === 0 || Math.fround(edge) > Math.fround(edges[j - 1] as number))
    if (!rises) refuse(part, "does not rise")
  })
  const states = marketStates(model.thresholds)
  if (states === 1) refuse("the thresholds", "tell no states apart")
  if (states > statesMax) refuse("the thresholds", `tell ${states} states apart, more than ${statesMax}`)
  const { count, flat } = model.positions ?? noPositions
  if (!(Number.isInteger(count) && Number.isInteger(flat) && flat >= 0 && flat < count)) {
    refuse("the positions", `cannot be ${count} of which ${flat} is flat`)
  }
  checkParameters(qTableKind, "the table", model.q, states * count * 3)
}

/**
 * The rows of the table at a flat position: [market states, 3]. Positions are the learner's, not the
 * voter's.
 */
const flatTable = (model: QTableOpinion): Float64Array => {
  const { count, flat } = model.positions ?? noPositions
  const states = marketStates(model.thresholds)
  const table = new Float64Array(states * 3)
  for (let state = 0; state < states; state++) {
    const row = (state * count + flat) * 3
    table.set(model.q.subarray(row, row + 3), state * 3)
  }
  return table
}

/** The artefact: an ONNX file with the interface of OpinionModel. */
export const emitQTable = (model: QTableOpinion & ArtefactLabels): Uint8Array => {
  check(model)
  const strides = stridesOf(model.thresholds)
  // One column for each threshold: which feature it belongs to, and what passing it adds to the state.
  const owner = model.thresholds.flatMap((edges, i) => edges.map(() => i))
  const steps = owner.map((i) => strides[i] as number)
  const width = owner.length
  return encode(
    buildOpinionModel(qTableKind, model, model.calibrator, (features) => {
      const columns = ops.constant([width], owner, "int64")
      const spread = ops.transpose(ops.gather(ops.transpose(features, [1, 0]), columns), [1, 0])
      const thresholds = ops.constant([width], model.thresholds.flat())
      const passed = ops.cast(ops.not(ops.less(spread, thresholds)), "float")
      const summed = ops.matmul(passed, ops.constant([width, 1], steps))
      const state = ops.reshape(ops.cast(summed, "int64"), [batch])
      const table = ops.constant([marketStates(model.thresholds), 3], flatTable(model))
      const buyLessSell = ops.constant([3, 1], [-1, 0, 1])
      return ops.matmul(ops.gather(table, state), buyLessSell)
    })
  )
}

/** The same in float64, for one row of raw features. */
export const evaluateQTable = (
  model: QTableOpinion,
  features: ArrayLike<number>,
  question: { readonly sigma: number; readonly band: number }
): OpinionValues => {
  const { count, flat } = model.positions ?? noPositions
  const row = (discretise(model.thresholds, features) * count + flat) * 3
  return evaluateScore(model.calibrator, (model.q[row + 2] as number) - (model.q[row] as number), question)
}
