/**
 * Convolution along time as im2col and one product, which is faster here than ONNX's Conv and its gradients by far;
 * pooling.
 */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly, he } from "../graph/Parameters.ts"

/** [batch, length, channels] -> [batch, length, filters]; zeros beyond both ends. */
export const conv1d = (b: Builder, name: string, x: Value, filters: number, kernel: number): Value =>
  b.layer(name, () => {
    const [rows, length, channels] = shapeOf(x) as readonly [number, number, number]
    const before = Math.floor((kernel - 1) / 2)
    const padded = ops.pad(x, 1, before, kernel - 1 - before)
    const windows = Array.from({ length: kernel }, (_, k) => ops.slice(padded, 1, k, k + length))
    const weights = b.parameter("weights", [kernel * channels, filters], he)
    const product = ops.matmul(ops.concat(windows, 2), weights)
    return ops.reshape(ops.add(product, b.parameter("bias", [filters], constantly(0))), [
      rows,
      length,
      filters
    ])
  })

const pooled = (x: Value, size: number): Value => {
  const [rows, length, channels] = shapeOf(x) as readonly [number, number, number]
  const kept = Math.floor(length / size)
  return ops.reshape(ops.slice(x, 1, 0, kept * size), [rows, kept, size, channels])
}

/** Windows that do not overlap: [batch, length, channels] -> [batch, length / size, channels]. */
export const maxPool = (x: Value, size: number): Value => ops.reduceMax(pooled(x, size), [2])
export const averagePool = (x: Value, size: number): Value => ops.reduceMean(pooled(x, size), [2])
