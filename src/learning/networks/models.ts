/** A network to train, and a network to serve. */
import type { Value } from "../graph/Graph.ts"
import * as ops from "../graph/ops.ts"
import { type Manifest, servingBuilder } from "../graph/Parameters.ts"
import { batch } from "../graph/TensorType.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import type { Trainable } from "../training/TrainingGraphs.ts"
import { answersOf, lossesOf } from "./head.ts"
import { type NetworkSpec, targetShape } from "./NetworkSpec.ts"
import { networkOf } from "./network.ts"

/** Fields: `x`, normalised, [length, features], and `y`, the target. */
export const trainableOf = (spec: NetworkSpec): Trainable => ({
  fields: [
    { name: "x", shape: [spec.length, spec.features] },
    { name: "y", shape: targetShape(spec.head) }
  ],
  forward: (b, { x, y }) => ({
    losses: lossesOf(spec.head, networkOf(spec)(b, x as Value), y as Value)
  })
})

/** Of each feature over the training range; frozen with the model. */
export interface Normalisation {
  readonly means: ArrayLike<number>
  readonly deviations: ArrayLike<number>
}

/** Raw features [N, length, features] in, answers out. */
export const servingSpec = (
  spec: NetworkSpec,
  manifest: Manifest,
  parameters: ArrayLike<number>,
  normalisation: Normalisation,
  metadata: ReadonlyMap<string, string> = new Map()
): OnnxSpec => {
  const features = ops.input("features", [batch, spec.length, spec.features])
  const constantOf = (values: ArrayLike<number>) => ops.constant([spec.features], values)
  const x = ops.div(ops.sub(features, constantOf(normalisation.means)), constantOf(normalisation.deviations))
  const output = networkOf(spec)(servingBuilder(manifest, parameters), x)
  return { name: spec.body.kind, inputs: [features], outputs: answersOf(spec.head, output), metadata }
}
