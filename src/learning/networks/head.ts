/** What becomes of a network's output: the loss of each row in training, named answers in serving. */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import type { Dim } from "../graph/TensorType.ts"
import type { HeadSpec } from "./NetworkSpec.ts"

/** Standard deviations come out between these. */
const logDeviationMax = 10

const rowMeans = (x: Value): Value => ops.reduceMean(x, [1])

const gaussian = (output: Value, outputs: number) => {
  const [mean, raw] = ops.split(output, 1, [outputs, outputs]) as [Value, Value]
  const logDeviation = ops.mul(ops.tanh(ops.mul(raw, 1 / logDeviationMax)), logDeviationMax)
  return { mean, logDeviation }
}

/** [rows], of the output [rows, ...] and the target [rows, ...]; classes are given as probabilities. */
export const lossesOf = (head: HeadSpec, output: Value, target: Value): Value => {
  switch (head.kind) {
    case "regression": {
      const error = ops.sub(output, target)
      return rowMeans(ops.mul(error, error))
    }
    case "quantiles": {
      const [rows] = shapeOf(output)
      const quantiles = ops.reshape(output, [rows as Dim, head.outputs, head.levels.length])
      const error = ops.sub(ops.reshape(target, [rows as Dim, head.outputs, 1]), quantiles)
      const levels = ops.constant([head.levels.length], head.levels)
      const pinball = ops.max(ops.mul(error, levels), ops.mul(error, ops.sub(levels, 1)))
      return ops.reduceMean(pinball, [1, 2])
    }
    case "gaussian": {
      const { logDeviation, mean } = gaussian(output, head.outputs)
      const error = ops.div(ops.sub(target, mean), ops.exp(logDeviation))
      return rowMeans(
        ops.add(ops.add(logDeviation, ops.mul(ops.mul(error, error), 0.5)), Math.log(2 * Math.PI) / 2)
      )
    }
    case "classification":
      return ops.neg(ops.reduceSum(ops.mul(target, ops.logSoftmax(output)), [1]))
  }
}

export const answersOf = (
  head: HeadSpec,
  output: Value
): ReadonlyArray<readonly [name: string, value: Value]> => {
  switch (head.kind) {
    case "regression":
      return [["prediction", output]]
    case "quantiles":
      return [
        ["quantiles", ops.reshape(output, [shapeOf(output)[0] as Dim, head.outputs, head.levels.length])]
      ]
    case "gaussian": {
      const { logDeviation, mean } = gaussian(output, head.outputs)
      return [
        ["prediction", mean],
        ["deviation", ops.exp(logDeviation)]
      ]
    }
    case "classification":
      return [
        ["logits", output],
        ["probabilities", ops.softmax(output)]
      ]
  }
}
