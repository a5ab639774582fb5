/**
 * Convolution along time as products, which is faster here than ONNX's Conv and its gradients by far; pooling.
 */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly, he } from "../graph/Parameters.ts"
import type { Dim } from "../graph/TensorType.ts"
import { affine, asRows } from "./dense.ts"

/** Fewer channels than this are put side by side for one product (im2col); more are worth a product each. */
const channelsApart = 16

/** [batch, length, channels] -> [batch, length, filters]; zeros beyond both ends. */
export const conv1d = (b: Builder, name: string, x: Value, filters: number, kernel: number): Value =>
  b.layer(name, () => {
    const [rows, length, channels] = shapeOf(x) as readonly [Dim, number, number]
    const before = Math.floor((kernel - 1) / 2)
    const padded = ops.pad(x, 1, before, kernel - 1 - before)
    const shifted = Array.from({ length: kernel }, (_, k) => ops.slice(padded, 1, k, k + length))
    const weights = b.parameter("weights", [kernel * channels, filters], he)
    const bias = b.parameter("bias", [filters], constantly(0))
    if (channels < channelsApart) return affine(ops.concat(shifted, 2), weights, bias)
    const sum = shifted.reduce((total, one, k) => {
      const own = ops.slice(weights, 0, k * channels, (k + 1) * channels)
      return ops.add(ops.matmul(asRows(one), own), total)
    }, bias)
    return ops.reshape(sum, [rows, length, filters])
  })

const pooled = (x: Value, size: number): Value => {
  const [rows, length, channels] = shapeOf(x) as readonly [number, number, number]
  const kept = Math.floor(length / size)
  return ops.reshape(ops.slice(x, 1, 0, kept * size), [rows, kept, size, channels])
}

/** Windows that do not overlap: [batch, length, channels] -> [batch, length / size, channels]. */
export const maxPool = (x: Value, size: number): Value => ops.reduceMax(pooled(x, size), [2])
export const averagePool = (x: Value, size: number): Value => ops.reduceMean(pooled(x, size), [2])
