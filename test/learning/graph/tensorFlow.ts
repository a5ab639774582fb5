/** Graphs by TensorFlow.js on its plain CPU backend, and their gradients by its autodiff. */
import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
// The core alone has no gradients under Node. This registers them for every copy of it in the process.
import "@tensorflow/tfjs-core/dist/register_all_gradients.js"
import type { Value } from "../../../src/learning/graph/Graph.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import { tensorOf } from "../../../src/learning/graph/tensorFlowOperations.ts"
import { toTensorFlow } from "../../../src/learning/graph/toTensorFlow.ts"

// Silences the advice to install the native backend, and makes the engine look for leaks in each kernel.
tf.env().set("IS_TEST", true)

export { tf }

export const tensorFor = ({ type }: Value, { data, shape }: NdArray): tf.Tensor =>
  tensorOf(tf, type.elementType, shape, data)

export const tensorsFor = (feeds: ReadonlyMap<Value, NdArray>): Map<Value, tf.Tensor> =>
  new Map([...feeds].map(([value, array]) => [value, tensorFor(value, array)]))

const arrayOf = (tensor: tf.Tensor): NdArray => ndArray(tensor.shape, tensor.dataSync())

/** `tf.tidy` for what holds no tensors. */
const tidied = <A>(of: () => A): A => {
  const results: Array<A> = []
  tf.tidy(() => {
    results.push(of())
  })
  return results[0] as A
}

export const runTensorFlow = (
  outputs: ReadonlyArray<Value>,
  feeds: ReadonlyMap<Value, NdArray>
): ReadonlyArray<NdArray> => {
  const graph = toTensorFlow(tf, outputs)
  try {
    return tidied(() => graph.run(tensorsFor(feeds)).map(arrayOf))
  } finally {
    graph.dispose()
  }
}

/** A scalar, and its gradients by some of its inputs: the forward graph alone is ours. */
export const differentiate = (
  loss: Value,
  by: ReadonlyArray<Value>,
  feeds: ReadonlyMap<Value, NdArray>
): ReadonlyArray<NdArray> => {
  const graph = toTensorFlow(tf, [loss])
  try {
    return tidied(() => {
      const fed = tensorsFor(feeds)
      const { grads, value } = tf.valueAndGrads((...arguments_: Array<tf.Tensor>) => {
        by.forEach((input, i) => {
          fed.set(input, arguments_[i] as tf.Tensor)
        })
        return graph.run(fed)[0] as tf.Tensor
      })(by.map((input) => fed.get(input) as tf.Tensor))
      return [value, ...grads].map(arrayOf)
    })
  } finally {
    graph.dispose()
  }
}
