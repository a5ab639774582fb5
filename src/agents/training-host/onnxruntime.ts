/** Graphs of the learning engine by onnxruntime, in this process. A run blocks its thread. */
import { InferenceSession, Tensor } from "onnxruntime-node"
import { toOnnx } from "../../learning/graph/toOnnx.ts"
import { encode } from "../../learning/onnx/OnnxFile.ts"
import type { Open } from "../../learning/training/Trainer.ts"

/** One thread: more of them would change no bit, but take the cores of whoever answers meanwhile. */
export const sessionOptions = {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
  extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } }
} as const satisfies InferenceSession.SessionOptions

export const openWithOnnxruntime: Open = async (spec) => {
  const session = await InferenceSession.create(encode(toOnnx(spec)), sessionOptions)
  return async (feeds) => {
    const fed: Record<string, Tensor> = {}
    for (const [name, { data, shape }] of Object.entries(feeds)) {
      fed[name] = new Tensor("float32", data, [...shape])
    }
    const results = await session.run(fed)
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, tensor.data as Float32Array])
    )
  }
}
