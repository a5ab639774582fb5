/**
 * Tries an execution provider in this process, which is there for nothing else: what a driver does to it harms nobody.
 * It works if it runs the whole graph and answers as the CPU does.
 */
import { InferenceSession, listSupportedBackends, Tensor } from "onnxruntime-node"
import type { TryAnswer, TryHeader, Unfit } from "./frames.ts"
import { compare } from "./HeldModel.ts"
import { unfitOf } from "./unfitOf.ts"

/** By name, so that no bundler looks for what is optional. */
const tensorFlowPackage: string = "@tensorflow/tfjs-node-gpu"

/** What is needed of it. */
interface TensorFlowNode {
  readonly ready: () => Promise<void>
  readonly backend: () => { readonly isUsingGpuDevice?: boolean }
  readonly tensor2d: (rows: ReadonlyArray<ReadonlyArray<number>>) => unknown
  readonly matMul: (a: unknown, b: unknown) => { readonly dataSync: () => ArrayLike<number> }
}

const tryTensorFlow = async (): Promise<Unfit> => {
  const imported = (await import(tensorFlowPackage)) as TensorFlowNode & { readonly default?: TensorFlowNode }
  const tf = imported.default ?? imported
  await tf.ready()
  if (tf.backend().isUsingGpuDevice !== true) {
    return { reason: "no-device", detail: "TensorFlow runs on the CPU" }
  }
  const rows = tf.tensor2d([
    [1, 2],
    [3, 4]
  ])
  const product = Array.from(tf.matMul(rows, rows).dataSync())
  if (product.join() !== "7,10,15,22") return { reason: "wrong-answers", detail: `a product is ${product}` }
  return { reason: "reads-no-onnx", detail: "it works, and would need artefacts of another format" }
}

/** Numbers that are neither zero nor all alike. */
const filler = (dims: ReadonlyArray<number>): Tensor => {
  const count = dims.reduce((product, dim) => product * dim, 1)
  return new Tensor(
    "float32",
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37)),
    [...dims]
  )
}

const tryOnnxruntime = async (
  { inputs, onlyIfFaster, provider }: TryHeader,
  graph: Uint8Array,
  now: () => number
): Promise<Unfit | null> => {
  if (!listSupportedBackends().some(({ name }) => name === provider)) {
    return { reason: "not-offered", detail: "onnxruntime has it not for this platform" }
  }
  const feeds = Object.fromEntries(inputs.map(({ dims, name }) => [name, filler(dims)]))
  const session = await InferenceSession.create(graph, {
    executionProviders: [provider],
    logSeverityLevel: 4,
    // What the provider does not run itself is no proof of it.
    extra: { session: { disable_cpu_ep_fallback: "1" } }
  })
  const onCpu = await InferenceSession.create(graph, { executionProviders: ["cpu"], intraOpNumThreads: 1 })
  const results = await onCpu.run(feeds)
  return compare(session, onCpu, { feeds, results }, { onlyIfFaster, now })
}

/** @param now milliseconds since some instant */
export const tryProvider = async (
  header: TryHeader,
  graph: Uint8Array,
  now: () => number
): Promise<TryAnswer> => {
  try {
    const isTensorFlow = header.provider === "tensorflow-gpu"
    return { unfit: isTensorFlow ? await tryTensorFlow() : await tryOnnxruntime(header, graph, now) }
  } catch (cause) {
    return { unfit: unfitOf(cause) }
  }
}
