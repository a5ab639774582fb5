/**
 * LSTM and GRU, from zeros, over [time, batch, in]. To train, the input's projection is one product for all steps and
 * the rest a loop; to serve, ONNX's own operation. Weights stand as the latter wants them transposed: [in, gates x
 * hidden], gates in the order i, o, f, c and z, r, h (`linear_before_reset` = 1).
 */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, inverseRoot } from "../graph/Parameters.ts"
import { scan } from "../graph/scan.ts"
import { affine } from "./dense.ts"

interface Weights {
  readonly w: Value
  readonly r: Value
  readonly bias: Value
}

const weightsOf = (b: Builder, x: Value, hidden: number, gates: number): Weights => {
  const size = shapeOf(x).at(-1) as number
  const of = inverseRoot(hidden)
  return {
    w: b.parameter("w", [size, gates * hidden], of),
    r: b.parameter("r", [hidden, gates * hidden], of),
    bias: b.parameter("bias", [gates * hidden], of)
  }
}

const asOnnx = (weights: Value): Value => {
  const turned = ops.transpose(weights, [1, 0])
  return ops.reshape(turned, [1, ...shapeOf(turned)])
}

/** [time, batch, in] -> [time, batch, hidden]. */
export const lstm = (b: Builder, name: string, x: Value, hidden: number): Value =>
  b.layer(name, () => {
    const { bias, r, w } = weightsOf(b, x, hidden, 4)
    if (b.mode === "serve") {
      const biases = ops.reshape(ops.concat([bias, ops.zeros([4 * hidden])], 0), [1, 8 * hidden])
      return ops.lstmServing(x, asOnnx(w), asOnnx(r), biases, hidden)
    }
    const rows = shapeOf(x)[1] as number
    const projected = affine(x, w, bias)
    const start = ops.zeros([rows, hidden])
    const { outputs } = scan({ states: [start, start], sequences: [projected] }, ([h, c], [p]) => {
      const gates = ops.add(p as Value, ops.matmul(h as Value, r))
      const [sigmoids, candidate] = ops.split(gates, 1, [3 * hidden, hidden]) as [Value, Value]
      const [i, o, f] = ops.split(ops.sigmoid(sigmoids), 1, [hidden, hidden, hidden]) as [Value, Value, Value]
      const cell = ops.add(ops.mul(f, c as Value), ops.mul(i, ops.tanh(candidate)))
      const next = ops.mul(o, ops.tanh(cell))
      return { states: [next, cell], outputs: [next] }
    })
    return outputs[0] as Value
  })

/** [time, batch, in] -> [time, batch, hidden]. */
export const gru = (b: Builder, name: string, x: Value, hidden: number): Value =>
  b.layer(name, () => {
    const { bias, r, w } = weightsOf(b, x, hidden, 3)
    const recurrentBias = b.parameter("recurrent-bias", [hidden], inverseRoot(hidden))
    if (b.mode === "serve") {
      const biases = ops.concat([bias, ops.zeros([2 * hidden]), recurrentBias], 0)
      return ops.gruServing(x, asOnnx(w), asOnnx(r), ops.reshape(biases, [1, 6 * hidden]), hidden)
    }
    const rows = shapeOf(x)[1] as number
    const projected = affine(x, w, bias)
    const { outputs } = scan({ states: [ops.zeros([rows, hidden])], sequences: [projected] }, ([h], [p]) => {
      const [pGates, pCandidate] = ops.split(p as Value, 1, [2 * hidden, hidden]) as [Value, Value]
      const [rGates, rCandidate] = ops.split(ops.matmul(h as Value, r), 1, [2 * hidden, hidden]) as [
        Value,
        Value
      ]
      const [z, reset] = ops.split(ops.sigmoid(ops.add(pGates, rGates)), 1, [hidden, hidden]) as [
        Value,
        Value
      ]
      const candidate = ops.tanh(ops.add(pCandidate, ops.mul(reset, ops.add(rCandidate, recurrentBias))))
      // (1 - z) candidate + z h
      const next = ops.add(candidate, ops.mul(z, ops.sub(h as Value, candidate)))
      return { states: [next], outputs: [next] }
    })
    return outputs[0] as Value
  })
