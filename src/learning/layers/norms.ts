/** Normalisation over the last axis. */
import { shapeOf, type Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Builder, constantly } from "../graph/Parameters.ts"

/** Ba et al. (2016), with scale and shift: [..., width] -> the same. */
export const layerNorm = (b: Builder, name: string, x: Value, epsilon = 1e-5): Value =>
  b.layer(name, () => {
    const width = shapeOf(x).at(-1) as number
    const centred = ops.sub(x, ops.reduceMean(x, [-1], true))
    const variance = ops.reduceMean(ops.mul(centred, centred), [-1], true)
    const normal = ops.div(centred, ops.sqrt(ops.add(variance, epsilon)))
    const scale = b.parameter("scale", [width], constantly(1))
    return ops.add(ops.mul(normal, scale), b.parameter("shift", [width], constantly(0)))
  })
