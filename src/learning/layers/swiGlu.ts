/**
 * The gated unit of Shazeer (2020), "GLU variants improve Transformer": down(silu(x gate) * (x up)), without biases.
 *
 * The layer is made once and applied as often as wanted: a recursion runs the same weights over and over.
 */
import type { Value } from "../graph/Graph.ts"
import { within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import type { Builder } from "../graph/Parameters.ts"
import { leCun } from "./leCun.ts"

/** Width of the inner layer: expansion * size * 2/3, rounded up to a multiple. */
export const swiGluInner = (size: number, expansion: number, multiple: number): number =>
  Math.ceil(Math.round((expansion * size * 2) / 3) / multiple) * multiple

/** Along the last axis: [..., size] -> the same. */
export const swiGlu = (b: Builder, name: string, size: number, inner: number): ((x: Value) => Value) =>
  b.layer(name, () => {
    const gateUp = b.parameter("gate-up", [size, 2 * inner], leCun(size))
    const down = b.parameter("down", [inner, size], leCun(inner))
    // The weights are split, once, and not their product at every step.
    const [toGate, toUp] = ops.split(gateUp, 1, [inner, inner]) as [Value, Value]
    return (x) =>
      within(name, () => {
        const gate = ops.matmul(x, toGate)
        const silu = ops.mul(gate, ops.sigmoid(gate))
        return ops.matmul(ops.mul(silu, ops.matmul(x, toUp)), down)
      })
  })
