/**
 * The network of action values. Dueling (Wang et al., Dueling Network Architectures for Deep Reinforcement Learning, 2016,
 * equation 9), it says what a state is worth and, apart from that, what each action adds:
 *
 *   Q(s, a) = V(s) + A(s, a) - mean over a' of A(s, a')
 *
 * Both streams share the hidden layers; V is the first output of the last one.
 */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, evaluatingBuilder, type Manifest, manifestOf } from "../graph/Parameters.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import { type Act, greedyActions } from "./acting.ts"
import { type Forward, forwardOf, type MlpSpec, mlp } from "./Mlp.ts"

export interface QNetworkSpec {
  readonly observations: number
  readonly actions: number
  readonly hidden: ReadonlyArray<number>
  readonly isDueling: boolean
}

const mlpOf = ({ actions, hidden, isDueling, observations }: QNetworkSpec): MlpSpec => ({
  name: "q",
  inputs: observations,
  hidden,
  outputs: isDueling ? actions + 1 : actions,
  activation: "relu"
})

/** [rows, observations] -> [rows, actions]; may be applied several times. */
export const qNetwork = (b: Builder, spec: QNetworkSpec): ((x: Value) => Value) => {
  const network = mlp(b, mlpOf(spec))
  return (x) => {
    const outputs = network(x)
    if (!spec.isDueling) return outputs
    const [value, advantages] = ops.split(outputs, 1, [1, spec.actions]) as [Value, Value]
    return ops.add(value, ops.sub(advantages, ops.reduceMean(advantages, [1], true)))
  }
}

export const qManifest = (spec: QNetworkSpec) =>
  manifestOf((b) => qNetwork(b, spec)(ops.input("x", [1, spec.observations])))

/** Values of so many rows: parameters and x [rows, observations] -> values [rows, actions]. */
export const qValuesSpec = (spec: QNetworkSpec, manifest: Manifest, rows: number): OnnxSpec => {
  const parameters = ops.input("parameters", [manifest.size])
  const x = ops.input("x", [rows, spec.observations])
  const values = qNetwork(evaluatingBuilder(manifest, parameters), spec)(x)
  return { name: "q-values", inputs: [parameters, x], outputs: [["values", values]] }
}

/** The same in typed arrays. */
export const qForward = (spec: QNetworkSpec, manifest: Manifest): Forward => {
  const forward = forwardOf(mlpOf(spec), manifest)
  if (!spec.isDueling) return forward
  const { actions } = spec
  let outputs = new Float64Array()
  return (parameters, x, rows, out) => {
    if (outputs.length < rows * (actions + 1)) outputs = new Float64Array(rows * (actions + 1))
    forward(parameters, x, rows, outputs)
    for (let row = 0; row < rows; row++) {
      const at = row * (actions + 1)
      let mean = 0
      for (let a = 1; a <= actions; a++) mean += (outputs[at + a] as number) / actions
      const base = (outputs[at] as number) - mean
      for (let a = 0; a < actions; a++) out[row * actions + a] = base + (outputs[at + a + 1] as number)
    }
  }
}

/** Acts by what was learned, and never at random. */
export const actByValues = (spec: QNetworkSpec, manifest: Manifest, parameters: Float32Array): Act => {
  const forward = qForward(spec, manifest)
  let values = new Float32Array()
  return (observations, actions) => {
    if (values.length < actions.length * spec.actions)
      values = new Float32Array(actions.length * spec.actions)
    forward(parameters, observations, actions.length, values)
    greedyActions(values, spec.actions, actions)
  }
}
