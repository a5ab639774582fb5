/** Loss and gradient of a network by TensorFlow.js in plain JavaScript, which is always there. */

import { version_cpu } from "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-core/dist/register_all_gradients.js"
import type { Value } from "../../src/learning/graph/Graph.ts"
import { type Tensor, tensorOf } from "../../src/learning/graph/tensorFlowOperations.ts"
import { toTensorFlow } from "../../src/learning/graph/toTensorFlow.ts"
import type { TrainingGraphs } from "../../src/learning/training/TrainingGraphs.ts"

export const tensorFlowName = `TensorFlow.js ${version_cpu}, cpu`

/** Milliseconds of one gradient, without the update. */
export const timeGradient = async (
  graphs: TrainingGraphs,
  fill: (name: string, count: number) => Float32Array
): Promise<number> => {
  // Without it, it recommends itself on the console.
  tf.env().set("IS_TEST", true)
  await tf.setBackend("cpu")
  const [parameters, ...rest] = graphs.gradient.inputs as readonly [Value, ...ReadonlyArray<Value>]
  const [[, loss]] = graphs.gradient.outputs as readonly [readonly [string, Value]]
  const graph = toTensorFlow(tf, [loss])
  const made = ({ node, type }: Value) => {
    const shape = type.shape as ReadonlyArray<number>
    const { name } = node.attributes as { readonly name: string }
    return tensorOf(
      tf,
      type.elementType,
      shape,
      fill(
        name,
        shape.reduce((product, size) => product * size, 1)
      )
    )
  }
  const others = rest.map((value) => [value, made(value)] as const)
  const flat = tensorOf(tf, "float", [graphs.manifest.size], graphs.initial(1))
  const gradient = tf.grad((x: Tensor) => graph.run(new Map([[parameters, x], ...others]))[0] as Tensor)
  const begin = performance.now()
  const result = gradient(flat)
  await result.data()
  const elapsed = performance.now() - begin
  graph.dispose()
  tf.dispose([result, flat, ...others.map(([, tensor]) => tensor)])
  return elapsed
}
