/** Runs a model in onnxruntime on one thread; only ever on bytes that the project itself emitted. */
import * as onnxruntime from "onnxruntime-node"

export interface Dense {
  readonly dims: ReadonlyArray<number>
  readonly values: ReadonlyArray<number>
}

export const runOnnx = async (
  model: Uint8Array,
  feeds: Readonly<Record<string, Dense>>
): Promise<Record<string, Dense>> => {
  const session = await onnxruntime.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: "0" } } }
  })
  try {
    const tensors = Object.entries(feeds).map(
      ([name, { dims, values }]) =>
        [name, new onnxruntime.Tensor("float32", Float32Array.from(values), dims)] as const
    )
    const results = await session.run(Object.fromEntries(tensors))
    return Object.fromEntries(
      Object.entries(results).map(([name, result]) => [
        name,
        { dims: result.dims, values: Array.from(result.data as Float32Array) }
      ])
    )
  } finally {
    await session.release()
  }
}
