/** Affine layers and embeddings. */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import {
  type Builder,
  constantly,
  type Initialiser,
  inverseRoot,
  truncatedNormal
} from "../graph/Parameters.ts"

/** [..., in] as [rows, in]. */
export const asRows = (x: Value): Value => ops.reshape(x, [-1, shapeOf(x).at(-1) as number])

/**
 * x W + b, [..., in] -> [..., out]. All in two dimensions, where onnxruntime makes one operation of product and sum.
 */
export const affine = (x: Value, weights: Value, bias: Value): Value => {
  const out = shapeOf(weights)[1] as number
  return ops.reshape(ops.add(ops.matmul(asRows(x), weights), bias), [...shapeOf(x).slice(0, -1), out])
}

/** x W + b along the last axis: [..., in] -> [..., out]. */
export const dense = (
  b: Builder,
  name: string,
  x: Value,
  out: number,
  options: { readonly bias?: boolean; readonly weights?: Initialiser; readonly biases?: Initialiser } = {}
): Value =>
  b.layer(name, () => {
    const size = shapeOf(x).at(-1) as number
    const weights = b.parameter("weights", [size, out], options.weights ?? inverseRoot(size))
    if (options.bias === false) return ops.matmul(x, weights)
    return affine(x, weights, b.parameter("bias", [out], options.biases ?? inverseRoot(size)))
  })

/** Rows of a learned table by their numbers: [...ids] -> [...ids, width]. */
export const embedding = (b: Builder, name: string, ids: Value, rows: number, width: number): Value =>
  b.layer(name, () => ops.gather(b.parameter("table", [rows, width], truncatedNormal(0.02)), ids))

/** A learned vector for each place, added to [batch, places, width]. */
export const learnedPositions = (b: Builder, name: string, x: Value): Value =>
  b.layer(name, () => {
    const [places, width] = shapeOf(x).slice(-2) as [number, number]
    return ops.add(x, b.parameter("table", [places, width], truncatedNormal(0.02)))
  })

export const zerosAtFirst = constantly(0)
