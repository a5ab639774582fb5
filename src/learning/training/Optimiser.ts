/**
 * Optimisers on the flat vector of parameters. What follows from the step count (bias corrections) the host computes in
 * float64 and gives as `rates`; the rest is element by element.
 *
 * Adam's moments are kept as sums, m' = b1 m' + g and v' = b2 v' + g^2: its (1 - b1) and (1 - b2) are in the rates. That
 * is the same update with fewer passes over memory.
 */
import { Schema } from "effect"
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"

const Rate = Schema.Finite.pipe(Schema.positive())
const Beta = Schema.Finite.pipe(Schema.greaterThanOrEqualTo(0), Schema.lessThan(1))
const Decay = Schema.Finite.pipe(Schema.nonNegative())

export const OptimiserSpec = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("sgd"), momentum: Beta, weightDecay: Decay }),
  Schema.Struct({
    kind: Schema.Literal("adam", "adamw", "adam-atan2"),
    beta1: Beta,
    beta2: Beta,
    epsilon: Rate,
    weightDecay: Decay
  })
)
export type OptimiserSpec = typeof OptimiserSpec.Type

export const adam: OptimiserSpec = { kind: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
export const adamW: OptimiserSpec = { ...adam, kind: "adamw", weightDecay: 0.01 }
export const adamAtan2: OptimiserSpec = {
  kind: "adam-atan2",
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1
}

/** Vectors of the parameters' size that an optimiser keeps. */
export const momentCount = ({ kind }: OptimiserSpec): number => (kind === "sgd" ? 1 : 2)

/** Numbers that the host gives for a step. */
export const rateCount = 4

/** Of step 1, 2, ... at a learning rate: learning rate, what multiplies the moment, what multiplies epsilon, decay. */
export const ratesOf = (spec: OptimiserSpec, learningRate: number, step: number): Float32Array => {
  const decay = learningRate * spec.weightDecay
  if (spec.kind === "sgd") return Float32Array.of(learningRate, learningRate, 0, decay)
  const { beta1, beta2, epsilon } = spec
  const first = (1 - beta1) / (1 - beta1 ** step)
  const second = Math.sqrt((1 - beta2) / (1 - beta2 ** step))
  return Float32Array.of(
    learningRate,
    (spec.kind === "adam-atan2" ? 1 : learningRate) * (first / second),
    epsilon / second,
    decay
  )
}

export interface Update {
  readonly parameters: Value
  readonly moments: ReadonlyArray<Value>
}

/**
 * One update.
 *
 * @param rates [4], of `ratesOf`
 * @param decayed [size], 1 where weight decay applies and 0 where not; absent where none does
 */
export const update = (
  spec: OptimiserSpec,
  state: Update,
  gradient: Value,
  rates: Value,
  decayed: Value | undefined
): Update => {
  const [learningRate, factor, epsilon, decay] = ops
    .split(rates, 0, [1, 1, 1, 1])
    .map((one) => ops.reshape(one, [])) as [Value, Value, Value, Value]
  const { parameters } = state
  const hasDecay = spec.weightDecay > 0 && decayed !== undefined
  // Adam adds the decay to the gradient (Kingma and Ba), the others shrink the weights (Loshchilov and Hutter).
  const isCoupled = spec.kind === "adam" || spec.kind === "sgd"
  const g =
    hasDecay && isCoupled
      ? ops.add(gradient, ops.mul(ops.mul(decayed, spec.weightDecay), parameters))
      : gradient
  const shrunk =
    hasDecay && !isCoupled ? ops.mul(parameters, ops.sub(1, ops.mul(decayed, decay))) : parameters
  if (spec.kind === "sgd") {
    const moment = spec.momentum > 0 ? ops.add(ops.mul(state.moments[0] as Value, spec.momentum), g) : g
    return { parameters: ops.sub(shrunk, ops.mul(moment, learningRate)), moments: [moment] }
  }
  const [m, v] = state.moments as readonly [Value, Value]
  const first = ops.add(ops.mul(m, spec.beta1), g)
  const second = ops.add(ops.mul(v, spec.beta2), ops.mul(g, g))
  const deviation = ops.sqrt(second)
  if (spec.kind === "adam-atan2") {
    // atan2 of a moment and a deviation that is not negative; where both are 0 so is the step.
    const ratio = ops.div(ops.mul(first, factor), ops.add(deviation, 1e-30))
    return { parameters: ops.sub(shrunk, ops.mul(ops.atan(ratio), learningRate)), moments: [first, second] }
  }
  const step = ops.div(ops.mul(first, factor), ops.add(deviation, epsilon))
  return { parameters: ops.sub(shrunk, step), moments: [first, second] }
}
