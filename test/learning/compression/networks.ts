/** Small networks of every kind, drawn at random or trained for a while, and their answers by onnxruntime. */
import { InferenceSession, Tensor } from "onnxruntime-node"
import { openWithOnnxruntime, sessionOptions } from "../../../src/agents/training-host/onnxruntime.ts"
import type { RunModel } from "../../../src/learning/compression/Calibration.ts"
import { toOnnx } from "../../../src/learning/graph/toOnnx.ts"
import { servingSpec, trainableOf } from "../../../src/learning/networks/models.ts"
import { type BodySpec, type NetworkSpec, targetShape } from "../../../src/learning/networks/NetworkSpec.ts"
import { encode, type ModelProto } from "../../../src/learning/onnx/OnnxFile.ts"
import type { Dataset } from "../../../src/learning/training/Dataset.ts"
import { adam } from "../../../src/learning/training/Optimiser.ts"
import { train } from "../../../src/learning/training/Trainer.ts"
import { trainingGraphs } from "../../../src/learning/training/TrainingGraphs.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const length = 8
const features = 4

const bodies: Readonly<Record<string, BodySpec>> = {
  mlp: { kind: "mlp", hidden: [32, 16] },
  // With 16 channels and more a convolution multiplies overlapping parts of one value.
  cnn: { kind: "cnn", filters: [16, 16], kernel: 3, pool: 2, dropout: 0 },
  transformer: { kind: "transformer", width: 16, heads: 2, layers: 2, inner: 32, dropout: 0 },
  lstm: { kind: "lstm", hidden: 16, layers: 2, dropout: 0 },
  gru: { kind: "gru", hidden: 16, layers: 2, dropout: 0 },
  dlinear: { kind: "dlinear", horizon: 3, window: 5 }
}

export const networks: ReadonlyArray<readonly [name: string, spec: NetworkSpec]> = Object.entries(bodies).map(
  ([name, body]) => {
    const outputs = body.kind === "dlinear" ? body.horizon * features : 2
    return [name, { length, features, body, head: { kind: "regression", outputs } }] as const
  }
)

export const networkNamed = (name: string): NetworkSpec =>
  (networks.find(([own]) => own === name) as readonly [string, NetworkSpec])[1]

/** Rows whose targets follow from a few of their numbers, in a way that the network can learn, with a little noise. */
export const rowsFor = (spec: NetworkSpec, key: string, rows: number): Dataset => {
  const random = keyedRandom("rows", key)
  const size = spec.length * spec.features
  const x = Float32Array.from({ length: rows * size }, () => random.normal())
  const [width] = targetShape(spec.head) as readonly [number]
  const y = Float32Array.from({ length: rows * width }, (_, i) => {
    const of = i % width
    /** So many steps back, of the feature that this output is about. */
    const at = (back: number, shift = 0) => {
      const feature = (of + shift) % spec.features
      return x[Math.floor(i / width) * size + (spec.length - 1 - back) * spec.features + feature] as number
    }
    const signal = spec.body.kind === "dlinear" ? at(0) + 0.5 * at(1) : Math.tanh(at(0)) * at(1, 1)
    return signal + 0.1 * random.normal()
  })
  return {
    rows,
    fill: (index, at, toX, toY) => {
      toX.set(x.subarray(index * size, (index + 1) * size), at * size)
      toY.set(y.subarray(index * width, (index + 1) * width), at * width)
    },
    weight: () => 1
  }
}

export const trainedParameters = async (spec: NetworkSpec): Promise<Float32Array> => {
  const running = train({
    spec: {
      ...trainingDefaults(spec),
      epochsMax: 12,
      schedule: { kind: "constant", rate: 5e-3, warmUpSteps: 0 }
    },
    training: rowsFor(spec, "training", 600),
    validation: rowsFor(spec, "validation", 100),
    open: openWithOnnxruntime
  })
  return (await toEnd(running)).parameters
}

/** What a generator gives back when all it tells of has happened. */
export const toEnd = async <Told, Outcome>(running: AsyncGenerator<Told, Outcome>): Promise<Outcome> => {
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return value
  }
}

export const graphsOf = (spec: NetworkSpec) =>
  trainingGraphs(trainableOf(spec), { rows: 32, optimiser: adam })

export const firstParameters = (spec: NetworkSpec, seed: number): Float32Array => graphsOf(spec).initial(seed)

const normalisationOf = (spec: NetworkSpec) => ({
  means: Array.from({ length: spec.features }, (_, i) => 0.1 * i),
  deviations: Array.from({ length: spec.features }, (_, i) => 1 + 0.2 * i)
})

export const servedModel = (spec: NetworkSpec, parameters: Float32Array): ModelProto =>
  toOnnx(
    servingSpec(spec, graphsOf(spec).manifest, parameters, normalisationOf(spec), new Map([["made", "here"]]))
  )

export const openModel = async (model: ModelProto): Promise<RunModel> => {
  const session = await InferenceSession.create(encode(model), sessionOptions)
  return async (feeds) => {
    const fed = Object.entries(feeds).map(
      ([name, { data, shape }]) => [name, new Tensor("float32", data, [...shape])] as const
    )
    const results = await session.run(Object.fromEntries(fed))
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]))
  }
}

/** Raw features of so many rows. */
export const feedsFor = (spec: NetworkSpec, key: string, rows: number): Parameters<RunModel>[0] => {
  const random = keyedRandom("feeds", key)
  const shape = [rows, spec.length, spec.features]
  const data = Float32Array.from({ length: rows * spec.length * spec.features }, () => random.normal())
  return { features: { shape, data } }
}

export const answersOf = async (model: ModelProto, feeds: Parameters<RunModel>[0]): Promise<Float32Array> =>
  (await (await openModel(model))(feeds)).prediction as Float32Array

/** Root mean square of the difference, as a share of the deviation of what is right around each output's mean. */
export const relativeError = (
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  outputs: number
): number => {
  const n = expected.length
  const means = new Float64Array(outputs)
  for (let i = 0; i < n; i++) {
    const at = i % outputs
    means[at] = (means[at] as number) + ((expected[i] as number) * outputs) / n
  }
  let squares = 0
  let variance = 0
  for (let i = 0; i < n; i++) {
    squares += ((actual[i] as number) - (expected[i] as number)) ** 2
    variance += ((expected[i] as number) - (means[i % outputs] as number)) ** 2
  }
  return Math.sqrt(squares / variance)
}
