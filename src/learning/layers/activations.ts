/** Activations that are no primitives. */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"

/** x times the normal distribution function of x (Hendrycks and Gimpel, 2016), exact. */
export const gelu = (x: Value): Value =>
  ops.mul(ops.mul(x, 0.5), ops.add(ops.erf(ops.mul(x, Math.SQRT1_2)), 1))
