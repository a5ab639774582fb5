/** The loss of a batch, and its gradient by the parameters, in float64 by the interpreter. */
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import type { Trainable } from "../../../src/learning/training/TrainingGraphs.ts"

export type Batch = Readonly<Record<string, ReadonlyArray<number>>>

export const manifestFor = (trainable: Trainable) =>
  manifestOf((b) =>
    trainable.forward(
      b,
      Object.fromEntries(trainable.fields.map(({ name, shape }) => [name, ops.input(name, [1, ...shape])]))
    )
  )

export const lossAndGradient = (
  trainable: Trainable,
  parameters: Float32Array,
  rows: number,
  batch: Batch
) => {
  const manifest = manifestFor(trainable)
  const flat = ops.input("parameters", [manifest.size])
  const inputs = trainable.fields.map(({ name, shape }) => [name, ops.input(name, [rows, ...shape])] as const)
  const { builder, flatten, parameters: parts } = trainingBuilder(manifest, flat)
  const { losses, outputs = [] } = trainable.forward(builder, Object.fromEntries(inputs))
  const gradient = flatten(gradientOf(ops.reduceMean(losses, [0]), parts))
  const fed = new Map([
    [flat, ndArray([manifest.size], parameters)],
    ...inputs.map(
      ([name, value]) =>
        [value, ndArray(value.type.shape as ReadonlyArray<number>, batch[name] ?? [])] as const
    )
  ])
  const [lossOf, gradientAt, ...others] = interpret(
    [losses, gradient, ...outputs.map(([, value]) => value)],
    fed
  )
  return {
    losses: [...(lossOf?.data ?? [])],
    gradient: gradientAt?.data ?? new Float64Array(),
    outputs: Object.fromEntries(outputs.map(([name], i) => [name, [...(others[i]?.data ?? [])]]))
  }
}

/** The gradient by central differences of the mean loss. */
export const numericGradient = (
  trainable: Trainable,
  parameters: Float32Array,
  rows: number,
  batch: Batch,
  step = 1e-3
): Float64Array =>
  Float64Array.from(parameters, (_, i) => {
    const at = (shift: number) => {
      const moved = parameters.slice()
      moved[i] = (moved[i] as number) + shift
      const { losses } = lossAndGradient(trainable, moved, rows, batch)
      return { loss: losses.reduce((sum, one) => sum + one, 0) / rows, at: moved[i] as number }
    }
    const [high, low] = [at(step), at(-step)]
    return (high.loss - low.loss) / (high.at - low.at)
  })
