/** Zhang and Sennrich (2019), without a weight: over the last axis, x / sqrt(mean(x^2) + epsilon). */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"

export const rmsNorm = (x: Value, epsilon = 1e-5): Value =>
  ops.div(x, ops.sqrt(ops.add(ops.reduceMean(ops.mul(x, x), [-1], true), epsilon)))
