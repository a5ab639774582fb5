/**
 * Multi-head self-attention without a mask and without biases, with rotary positions (Su et al., 2021) in their
 * half-split form: of each head's vector, element i turns with element i + size/2.
 *
 * The layer is made once and applied as often as wanted: a recursion runs the same weights over and over.
 */
import { invalid, shapeOf, type Value, within } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import type { Builder } from "../graph/Parameters.ts"
import { leCun } from "./leCun.ts"

/** Turns the vectors [batch, heads, places, size] by their places. */
export type Rotation = (x: Value) => Value

/** Angles are place / theta^(2i / size). */
export const rotation = (places: number, size: number, theta: number): Rotation => {
  if (size % 2 !== 0) invalid("rotation", `vectors of ${size} have no halves`)
  const half = size / 2
  const angles = Array.from({ length: places * half }, (_, k) => {
    const i = k % half
    return Math.floor(k / half) / theta ** ((2 * i) / size)
  })
  const cos = ops.constant([places, half], angles.map(Math.cos))
  const sin = ops.constant([places, half], angles.map(Math.sin))
  return (x) => {
    const [a, b] = ops.split(x, 3, [half, half]) as [Value, Value]
    return ops.concat(
      [ops.sub(ops.mul(a, cos), ops.mul(b, sin)), ops.add(ops.mul(b, cos), ops.mul(a, sin))],
      3
    )
  }
}

/**
 * [batch * places, width] -> the same; the width is shared out to the heads. Rows stay flat, because what runs the graph
 * would copy them at every change of shape.
 */
export const rotaryAttention = (
  b: Builder,
  name: string,
  { heads, places, width }: { readonly places: number; readonly width: number; readonly heads: number },
  rotate: Rotation = (x) => x
): ((x: Value) => Value) =>
  b.layer(name, () => {
    const size = width / heads
    if (!Number.isInteger(size)) invalid("attention", `${width} cannot be shared out to ${heads} heads`)
    // Queries, keys and values, each head by head.
    const into = b.parameter("qkv", [width, 3 * width], leCun(width))
    const out = b.parameter("out", [width, width], leCun(width))
    // The weights are split and scaled, once, and not their product at every step.
    const [toQueries, toKeys, toValues] = ops.split(into, 1, [width, width, width]) as [Value, Value, Value]
    const toScaled = ops.mul(toQueries, 1 / Math.sqrt(size))
    return (x) =>
      within(name, () => {
        const byHead = (weights: Value) =>
          ops.transpose(ops.reshape(ops.matmul(x, weights), [-1, places, heads, size]), [0, 2, 1, 3])
        const scores = ops.matmul(rotate(byHead(toScaled)), rotate(byHead(toKeys)), false, true)
        const mixed = ops.transpose(ops.matmul(ops.softmax(scores), byHead(toValues)), [0, 2, 1, 3])
        return ops.matmul(ops.reshape(mixed, shapeOf(x)), out)
      })
  })
