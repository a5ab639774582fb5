/**
 * The losses of a supervision step, for each row:
 *
 *   stable-max cross-entropy, mean over the answers that have a label + 0.5 * BCE(halt, whether all of them are right)
 *
 * Stable-max (Prieto et al., 2025): s(v) = v + 1 for v >= 0, else 1 / (1 - v); p = s / sum s. Its logarithm is taken in
 * float64, as the paper's program does.
 */
import { shapeOf, type Value, within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"

/** An answer that does not count. */
export const ignoredLabel = -100

const haltWeight = 0.5

/** s(v), without a branch: no gradient meets a division by zero. */
const stable = (v: Value): Value => ops.add(ops.max(v, 0), ops.div(1, ops.sub(1, ops.min(v, 0))))

/** Probabilities along the last axis. */
export const stableMax = (logits: Value): Value => {
  const s = stable(logits)
  return ops.div(s, ops.reduceSum(s, [-1], true))
}

export interface TrmLosses {
  /** All [rows]. */
  readonly answer: Value
  readonly halt: Value
  readonly total: Value
  /** 1 where every answer that has a label is right. */
  readonly isRight: Value
}

/**
 * @param logits [rows, answers, classes]
 * @param halting [rows]
 * @param labels int64 [rows, answers], `ignoredLabel` where there is none
 */
export const trmLosses = (logits: Value, halting: Value, labels: Value): TrmLosses =>
  within("loss", () => {
    const classes = shapeOf(logits).at(-1) as number
    const range = ops.constant(
      [classes],
      Array.from({ length: classes }, (_, i) => i),
      "int64"
    )
    const isLabel = ops.equal(ops.reshape(labels, [...shapeOf(labels), 1]), range)
    const counts = ops.cast(ops.not(ops.equal(labels, ignoredLabel)), "double")
    const labelled = ops.reduceSum(counts, [-1])

    const s = stable(ops.cast(logits, "double"))
    const chosen = ops.reduceSum(ops.mul(s, ops.cast(isLabel, "double")), [-1])
    // 1 where there is no label: its logarithm is finite.
    const safe = ops.where(ops.equal(labels, ignoredLabel), ops.scalar(1, "double"), chosen)
    const logProbability = ops.sub(ops.log(safe), ops.log(ops.reduceSum(s, [-1])))
    const sum = ops.reduceSum(ops.mul(logProbability, counts), [-1])
    const answer = ops.cast(ops.neg(ops.div(sum, ops.max(labelled, 1))), "float")

    const given = ops.reduceSum(ops.mul(logits, ops.cast(isLabel, "float")), [-1])
    const isBeaten = ops.cast(ops.less(given, ops.reduceMax(logits, [-1])), "double")
    const wrong = ops.reduceSum(ops.mul(isBeaten, counts), [-1])
    const isRight = ops.cast(ops.equal(ops.cast(wrong, "float"), 0), "float")
    const halt = ops.sub(ops.softplus(halting), ops.mul(halting, isRight))
    return { answer, halt, total: ops.add(answer, ops.mul(halt, haltWeight)), isRight }
  })
