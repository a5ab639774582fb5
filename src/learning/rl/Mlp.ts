/**
 * The small networks of reinforcement learning: affine layers with an activation between them. The graph is the definition;
 * beside it stands the same in plain typed arrays for acting, where a handful of rows at a time is asked for and a run of
 * onnxruntime in another process costs more than the product itself.
 *
 * What can go wrong: a manifest of another network throws RangeError.
 * Invariant: `forward` agrees with the graph up to the rounding of float32.
 */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, type Initialiser, inverseRoot, type Manifest } from "../graph/Parameters.ts"
import { affine } from "../layers/dense.ts"

export interface MlpSpec {
  /** The name of its part of a network. */
  readonly name: string
  readonly inputs: number
  readonly hidden: ReadonlyArray<number>
  readonly outputs: number
  readonly activation: "relu" | "tanh"
  /** First weights and biases of the last layer; as those of the others unless given. */
  readonly last?: Initialiser
}

const layerName = (index: number): string => `layer${index}`

const sizesOf = ({ hidden, inputs, outputs }: MlpSpec): ReadonlyArray<readonly [number, number]> => {
  const widths = [inputs, ...hidden, outputs]
  return widths.slice(1).map((to, i) => [widths[i] as number, to])
}

/** Asks for the parameters once, and then may be applied to several inputs [rows, inputs] -> [rows, outputs]. */
export const mlp = (b: Builder, spec: MlpSpec): ((x: Value) => Value) => {
  const layers = b.layer(spec.name, () =>
    sizesOf(spec).map(([from, to], i, all) =>
      b.layer(layerName(i), () => {
        const first = (i === all.length - 1 ? spec.last : undefined) ?? inverseRoot(from)
        return {
          weights: b.parameter("weights", [from, to], first),
          bias: b.parameter("bias", [to], first)
        }
      })
    )
  )
  const activate = spec.activation === "relu" ? ops.relu : ops.tanh
  return (x) =>
    layers.reduce((h, { bias, weights }, i) => affine(i === 0 ? h : activate(h), weights, bias), x)
}

/** Rows [rows, inputs] by the parameters of the whole network into [rows, outputs]. */
export type Forward = (
  parameters: Float32Array,
  x: Float32Array,
  rows: number,
  out: Float32Array | Float64Array
) => void

export const forwardOf = (spec: MlpSpec, manifest: Manifest): Forward => {
  const offsetOf = (name: string): number => {
    const entry = manifest.entries.find((one) => one.name === name)
    if (entry === undefined) throw new RangeError(`the manifest has no parameter "${name}"`)
    return entry.offset
  }
  const layers = sizesOf(spec).map(([from, to], i) => ({
    from,
    to,
    weights: offsetOf(`${spec.name}/${layerName(i)}/weights`),
    bias: offsetOf(`${spec.name}/${layerName(i)}/bias`),
    /** Of one row; sums in float64. */
    sums: new Float64Array(to)
  }))
  const first = new Float64Array(spec.inputs)
  const isRelu = spec.activation === "relu"
  return (parameters, x, rows, out) => {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < spec.inputs; i++) first[i] = x[row * spec.inputs + i] as number
      let before = first
      for (let l = 0; l < layers.length; l++) {
        const { bias, from, sums, to, weights } = layers[l] as (typeof layers)[number]
        for (let j = 0; j < to; j++) sums[j] = parameters[bias + j] as number
        accumulate(sums, before, parameters, weights, from, to)
        if (l < layers.length - 1) {
          if (isRelu) for (let j = 0; j < to; j++) sums[j] = Math.max(0, sums[j] as number)
          else for (let j = 0; j < to; j++) sums[j] = Math.tanh(sums[j] as number)
        }
        before = sums
      }
      out.set(before, row * spec.outputs)
    }
  }
}

/** sums += x W, four rows of the weights at a time: the sums are then read and written a fourth as often. */
const accumulate = (
  sums: Float64Array,
  x: Float64Array,
  parameters: Float32Array,
  weights: number,
  from: number,
  to: number
): void => {
  let i = 0
  for (; i + 4 <= from; i += 4) {
    const x0 = x[i] as number
    const x1 = x[i + 1] as number
    const x2 = x[i + 2] as number
    const x3 = x[i + 3] as number
    // Half of what comes out of rectified units is zero.
    if (x0 === 0 && x1 === 0 && x2 === 0 && x3 === 0) continue
    const w0 = weights + i * to
    const w1 = w0 + to
    const w2 = w1 + to
    const w3 = w2 + to
    for (let j = 0; j < to; j++) {
      sums[j] =
        (sums[j] as number) +
        x0 * (parameters[w0 + j] as number) +
        x1 * (parameters[w1 + j] as number) +
        x2 * (parameters[w2 + j] as number) +
        x3 * (parameters[w3 + j] as number)
    }
  }
  for (; i < from; i++) {
    const xi = x[i] as number
    const base = weights + i * to
    for (let j = 0; j < to; j++) sums[j] = (sums[j] as number) + xi * (parameters[base + j] as number)
  }
}
