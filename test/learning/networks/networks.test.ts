import { describe, expect, it } from "@effect/vitest"
import type { Value } from "../../../src/learning/graph/Graph.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { answersOf } from "../../../src/learning/networks/head.ts"
import { servingSpec, trainableOf } from "../../../src/learning/networks/models.ts"
import { type NetworkSpec, targetShape } from "../../../src/learning/networks/NetworkSpec.ts"
import { networkOf } from "../../../src/learning/networks/network.ts"
import { adam } from "../../../src/learning/training/Optimiser.ts"
import { type TrainingGraphs, trainingGraphs } from "../../../src/learning/training/TrainingGraphs.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomArray } from "../graph/check.ts"
import { runOnnx } from "../graph/onnx.ts"
import { specs } from "./specs.ts"

const rows = 3

const graphsOf = (spec: NetworkSpec) => trainingGraphs(trainableOf(spec), { rows, optimiser: adam })

const targetOf = ({ head }: NetworkSpec, key: string): NdArray => {
  const shape = [rows, ...targetShape(head)]
  if (head.kind !== "classification") return randomArray(key, shape)
  const random = keyedRandom(key)
  const target = ndArray(shape)
  for (let row = 0; row < rows; row++) target.data[row * head.classes + random.int(head.classes)] = 1
  return target
}

/** Values for the inputs of the gradient's graph, by name. */
const feedsOf = (spec: NetworkSpec, graphs: TrainingGraphs): Map<Value, NdArray> => {
  const masks = new Map(graphs.masks.map((mask) => [mask.name, mask]))
  return new Map(
    graphs.gradient.inputs.map((input) => {
      const { name } = input.node.attributes as { readonly name: string }
      const shape = input.type.shape as ReadonlyArray<number>
      const mask = masks.get(name)
      if (name === "parameters") return [input, ndArray(shape, graphs.initial(1))] as const
      if (name === "weights") return [input, ndArray(shape, [1, 0.5, 0])] as const
      if (name === "y") return [input, targetOf(spec, "target")] as const
      if (mask !== undefined) {
        const of = (normal: number) => (normal > 0.5 ? 0 : 1 / (1 - mask.rate))
        return [input, randomArray(name, shape, of)] as const
      }
      return [input, randomArray(name, shape)] as const
    })
  )
}

const closeTo = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) => {
  expect(actual.length).toBe(expected.length)
  for (let i = 0; i < expected.length; i++) {
    const scale = Math.max(1, Math.abs(expected[i] as number))
    expect(Math.abs((actual[i] as number) - (expected[i] as number)) / scale, `element ${i}`).toBeLessThan(
      tolerance
    )
  }
}

for (const [name, spec] of specs) {
  describe(`a network of the kind ${name}`, () => {
    it("has the gradient that finite differences give, in float64", () => {
      const graphs = graphsOf(spec)
      const feeds = feedsOf(spec, graphs)
      const [[, loss], [, gradient]] = graphs.gradient.outputs as unknown as [
        [string, Value],
        [string, Value]
      ]
      const [exact] = interpret([gradient], feeds) as [NdArray]
      const parameters = graphs.gradient.inputs[0] as Value
      const values = (feeds.get(parameters) as NdArray).data
      const random = keyedRandom("places", name)
      const step = 1e-5
      for (let k = 0; k < 40; k++) {
        const at = random.int(values.length)
        const shifted = (by: number) => {
          const moved = values.slice()
          moved[at] = (moved[at] as number) + by
          const [value] = interpret([loss], new Map([...feeds, [parameters, ndArray([moved.length], moved)]]))
          return value?.data[0] as number
        }
        const expected = (shifted(step) - shifted(-step)) / (2 * step)
        expect(Math.abs((exact.data[at] as number) - expected), `parameter ${at}`).toBeLessThan(1e-7)
      }
    })

    it("has the same loss and gradient by onnxruntime", async () => {
      const graphs = graphsOf(spec)
      const feeds = feedsOf(spec, graphs)
      const outputs = graphs.gradient.outputs.map(([, value]) => value)
      const expected = interpret(outputs, feeds)
      const actual = await runOnnx(outputs, feeds)
      expected.forEach((one, i) => {
        closeTo((actual[i] as NdArray).data, one.data, 1e-5)
      })
    })

    it("serves what it trains, for any number of rows", async () => {
      const graphs = graphsOf(spec)
      const parameters = graphs.initial(2)
      const normalisation = { means: [0.1, -0.2, 0.3], deviations: [1.5, 0.5, 2] }
      const serving = servingSpec(spec, graphs.manifest, parameters, normalisation)
      const [features] = serving.inputs as [Value]
      const raw = randomArray("raw", [rows, spec.length, spec.features])
      const served = await runOnnx(
        serving.outputs.map(([, value]) => value),
        new Map([[features, raw]])
      )
      // The same, by the graph that is trained, without dropout.
      const flat = ops.input("parameters", [graphs.manifest.size])
      const x = ops.input("x", [rows, spec.length, spec.features])
      const ones = (index: number) => ops.filled(graphs.masks[index]?.shape ?? [], 1)
      const output = networkOf(spec)(trainingBuilder(graphs.manifest, flat, ones).builder, x)
      const normal = ndArray(
        raw.shape,
        raw.data.map((value, i) => {
          const k = i % spec.features
          return (value - (normalisation.means[k] as number)) / (normalisation.deviations[k] as number)
        })
      )
      const expected = interpret(
        answersOf(spec.head, output).map(([, value]) => value),
        new Map([
          [flat, ndArray([parameters.length], parameters)],
          [x, normal]
        ])
      )
      expected.forEach((one, i) => {
        closeTo((served[i] as NdArray).data, one.data, 1e-5)
      })
      const one = {
        shape: [1, spec.length, spec.features],
        data: raw.data.slice(0, spec.length * spec.features)
      }
      const [single] = await runOnnx(
        [(serving.outputs[0] as readonly [string, Value])[1]],
        new Map([[features, one]])
      )
      closeTo(single?.data ?? [], served[0]?.data.slice(0, single?.data.length) ?? [], 1e-6)
    })
  })
}
