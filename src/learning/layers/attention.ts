/** Multi-head self-attention (Vaswani et al., 2017), without a mask. */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, glorot } from "../graph/Parameters.ts"
import { dense, zerosAtFirst } from "./dense.ts"

/** [batch, places, width] -> the same; the width is shared out to the heads. */
export const attention = (b: Builder, name: string, x: Value, heads: number, dropout: number): Value =>
  b.layer(name, () => {
    const [rows, places, width] = shapeOf(x) as readonly [number, number, number]
    const size = width / heads
    // One product for queries, keys and values: [batch, places, 3, heads, size] -> [3, batch, heads, places, size]
    const all = dense(b, "in", x, 3 * width, { weights: glorot, biases: zerosAtFirst })
    const apart = ops.transpose(ops.reshape(all, [rows, places, 3, heads, size]), [2, 0, 3, 1, 4])
    const [queries, keys, values] = ops
      .split(apart, 0, [1, 1, 1])
      .map((one) => ops.reshape(one, [rows, heads, places, size])) as [Value, Value, Value]
    const scores = ops.matmul(ops.mul(queries, 1 / Math.sqrt(size)), keys, false, true)
    const mixed = ops.matmul(b.dropout(ops.softmax(scores), dropout), values)
    const joined = ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), [rows, places, width])
    return dense(b, "out", joined, width, { weights: glorot, biases: zerosAtFirst })
  })
