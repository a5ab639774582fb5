/** Graphs by onnxruntime. */
import { InferenceSession, Tensor } from "onnxruntime-node"
import type { Value } from "../../../src/learning/graph/Graph.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import { toOnnx } from "../../../src/learning/graph/toOnnx.ts"
import { encode } from "../../../src/learning/onnx/OnnxFile.ts"

const tensorOf = ({ type }: Value, { data, shape }: NdArray): Tensor => {
  switch (type.elementType) {
    case "float":
      return new Tensor("float32", Float32Array.from(data), [...shape])
    case "double":
      return new Tensor("float64", Float64Array.from(data), [...shape])
    case "int64":
      return new Tensor(
        "int64",
        BigInt64Array.from(data, (value) => BigInt(value)),
        [...shape]
      )
    case "bool":
      return new Tensor("bool", Uint8Array.from(data), [...shape])
  }
}

export const runOnnx = async (
  outputs: ReadonlyArray<Value>,
  feeds: ReadonlyMap<Value, NdArray>
): Promise<ReadonlyArray<NdArray>> => {
  const model = toOnnx({
    name: "test",
    inputs: [...feeds.keys()],
    outputs: outputs.map((value, i) => [`out${i}`, value] as const)
  })
  const session = await InferenceSession.create(encode(model), {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3
  })
  try {
    const fed: Record<string, Tensor> = {}
    for (const [value, array] of feeds) {
      const { name } = value.node.attributes as { readonly name: string }
      if (session.inputNames.includes(name)) fed[name] = tensorOf(value, array)
    }
    const results = await session.run(fed)
    return outputs.map((_, i) => {
      const { data, dims } = results[`out${i}`] as Tensor
      return ndArray(
        dims as ReadonlyArray<number>,
        Array.from(data as ArrayLike<number | bigint>, (value) => Number(value))
      )
    })
  } finally {
    await session.release()
  }
}
