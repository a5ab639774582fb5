import { describe, expect, it } from "@effect/vitest"
import { GraphInvalid } from "../../../src/learning/errors.ts"
import { shapeOf, type Value } from "../../../src/learning/graph/Graph.ts"
import { gradientOf } from "../../../src/learning/graph/gradient.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, servingBuilder, trainingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { toOnnx } from "../../../src/learning/graph/toOnnx.ts"
import { rmsNorm } from "../../../src/learning/layers/rmsNorm.ts"
import { rotaryAttention, rotation } from "../../../src/learning/layers/rotaryAttention.ts"
import { swiGlu, swiGluInner } from "../../../src/learning/layers/swiGlu.ts"
import { trmNet } from "../../../src/learning/trm/TrmNet.ts"
import {
  effectiveDepth,
  inputsOf,
  placesOf,
  published,
  strategyTrm,
  type TrmSpec
} from "../../../src/learning/trm/TrmSpec.ts"
import { checkGradients, randomArray, weighted } from "../graph/check.ts"
import { runOnnx } from "../graph/onnx.ts"
import { features, rows, supervised, tokens } from "./specs.ts"

const forms: ReadonlyArray<readonly [string, TrmSpec]> = [
  ["tokens, attention and rotary positions", tokens()],
  ["tokens, attention and learned positions", tokens({ positions: "learned" })],
  ["tokens, attention without positions", tokens({ positions: "none", layers: 2 })],
  ["tokens, a mix by gated units", tokens({ mix: "mlp", positions: "none" })],
  ["features, attention", features()],
  ["features, a mix by gated units and learned positions", features({ mix: "mlp", positions: "learned" })]
]

type Graph = ReturnType<typeof supervised>

const feedsOf = (spec: TrmSpec, graph: Graph) => {
  const { before, inputs, manifest, parameters } = graph
  const shape = [rows, inputsOf(spec.task)]
  const state = before.y.type.shape as ReadonlyArray<number>
  return new Map<Value, NdArray>([
    [parameters, randomArray("parameters", [manifest.size], (value) => value / 3)],
    [inputs, spec.task.kind === "tokens" ? ndArray(shape, [0, 3, 1, 4, 4, 2]) : randomArray("inputs", shape)],
    [before.y, randomArray("y", state)],
    [before.z, randomArray("z", state)]
  ])
}

const lossOf = ({ after, halting, logits }: Graph) =>
  ops.add(weighted(logits), ops.add(weighted(halting, "halting"), weighted(after.z, "z")))

describe("the network of a Tiny Recursive Model", () => {
  describe.each(forms)("of %s", (_, spec) => {
    it("has, in its last recursion, the gradients of its function", () => {
      const once: TrmSpec = { ...spec, sizes: { ...spec.sizes, recursions: 1 } }
      const graph = supervised(once)
      checkGradients(lossOf(graph), feedsOf(once, graph), { tolerance: 1e-5 })
    })

    it("recurs as it is defined: x goes into the latent state alone", () => {
      const [once, whole] = [
        { latentSteps: 1, recursions: 1 },
        { latentSteps: 3, recursions: 2 }
      ].map((sizes) => supervised({ ...spec, sizes: { ...spec.sizes, ...sizes } })) as [Graph, Graph]
      const feeds = feedsOf(spec, once)
      const [x] = interpret([once.x], feeds) as [NdArray]
      const combined = (a: NdArray, b: NdArray, sign: number) =>
        ndArray(
          a.shape,
          a.data.map((value, i) => value + sign * (b.data[i] as number))
        )
      // One latent step from h is f(h; y + x): y is chosen such that it is f(h; injection).
      const f = (h: NdArray, injection: NdArray) =>
        interpret(
          [once.after.z],
          new Map([...feeds, [once.before.z, h], [once.before.y, combined(injection, x, -1)]])
        )[0] as NdArray
      let [y, z] = [feeds.get(once.before.y), feeds.get(once.before.z)] as [NdArray, NdArray]
      for (let recursion = 0; recursion < 2; recursion++) {
        for (let step = 0; step < 3; step++) z = f(z, combined(y, x, 1))
        y = f(y, z)
      }
      const after = interpret([whole.after.y, whole.after.z], feedsOf(spec, whole))
      after.forEach(({ data }, k) => {
        data.forEach((value, i) => {
          expect(([y, z][k] as NdArray).data[i]).toBeCloseTo(value, 9)
        })
      })
    })

    it("is of layers that mix places, then widen each, with a norm after each sum", () => {
      const { sizes, task } = spec
      const graph = supervised({ ...spec, sizes: { ...sizes, latentSteps: 1, recursions: 1 } })
      const { before, manifest, parameters, x } = graph
      const b = trainingBuilder(manifest, parameters).builder
      const places = placesOf(task)
      const gated = (name: string, value: Value) => {
        const size = shapeOf(value)[2] as number
        const inner = swiGluInner(size, sizes.expansion, sizes.innerMultiple)
        return rmsNorm(ops.add(value, swiGlu(b, name, size, inner)(value)))
      }
      const attended = (value: Value) => {
        const size = sizes.width / sizes.heads
        const rotate = sizes.positions === "rotary" ? rotation(places, size, 1e4) : undefined
        const attend = rotaryAttention(b, "attention", { ...sizes, places }, rotate)
        return rmsNorm(
          ops.add(value, ops.reshape(attend(ops.reshape(value, [-1, sizes.width])), shapeOf(value)))
        )
      }
      const turned = (value: Value) => ops.transpose(value, [0, 2, 1])
      let h = ops.add(ops.add(before.z, before.y), x)
      for (let i = 0; i < sizes.layers; i++) {
        h = b.layer(`f/${i}`, () =>
          gated("mlp", sizes.mix === "mlp" ? turned(gated("mix", turned(h))) : attended(h))
        )
      }
      const [actual, expected] = interpret([graph.after.z, h], feedsOf(spec, graph)) as [NdArray, NdArray]
      expected.data.forEach((value, i) => {
        expect(actual.data[i]).toBeCloseTo(value, 10)
      })
    })

    it("does without gradients what comes before its last recursion", () => {
      const [whole, first, last] = [3, 2, 1].map((recursions) =>
        supervised({ ...spec, sizes: { ...spec.sizes, recursions } })
      ) as [Graph, Graph, Graph]
      const outputsOf = (graph: typeof whole) => [
        graph.logits,
        graph.halting,
        graph.after.z,
        ...gradientOf(lossOf(graph), [graph.parameters])
      ]
      const feeds = feedsOf(spec, first)
      const [y, z] = interpret([first.after.y, first.after.z], feeds) as [NdArray, NdArray]
      const apart = interpret(
        outputsOf(last),
        new Map([
          [last.parameters, feeds.get(first.parameters) as NdArray],
          [last.inputs, feeds.get(first.inputs) as NdArray],
          [last.before.y, y],
          [last.before.z, z]
        ])
      )
      const together = interpret(outputsOf(whole), feedsOf(spec, whole))
      together.forEach(({ data, shape }, k) => {
        expect(apart[k]?.shape).toEqual(shape)
        data.forEach((value, i) => {
          expect(apart[k]?.data[i]).toBeCloseTo(value, 9)
        })
      })
      // No gradient reaches the states that came in.
      const [none] = interpret(gradientOf(lossOf(whole), [whole.before.y]), feedsOf(spec, whole))
      expect(none?.data.every((value) => value === 0)).toBe(true)
    })

    it("is the same by onnxruntime, with its gradients", async () => {
      const graph = supervised(spec)
      const feeds = feedsOf(spec, graph)
      const outputs = [graph.logits, graph.halting, ...gradientOf(lossOf(graph), [graph.parameters])]
      const [actual, expected] = [await runOnnx(outputs, feeds), interpret(outputs, feeds)]
      expected.forEach(({ data }, k) => {
        const most = Math.max(...data.map(Math.abs), 1)
        data.forEach((value, i) => {
          expect(Math.abs((actual[k]?.data[i] as number) - value) / most).toBeLessThan(1e-5)
        })
      })
    })
  })

  it("stays as small as it is however often it recurs", () => {
    const nodesOf = (latentSteps: number, recursions: number) => {
      const { after, before, inputs, parameters } = supervised(tokens({ latentSteps, recursions }))
      const { graph } = toOnnx({
        name: "size",
        inputs: [parameters, inputs, before.y, before.z],
        outputs: [["y", after.y]]
      })
      return JSON.stringify(graph, (_, value: unknown) => (value instanceof Uint8Array ? null : value)).split(
        '"op":'
      ).length
    }
    expect(nodesOf(2, 2)).toBeGreaterThan(100)
    expect(nodesOf(12, 9)).toBe(nodesOf(2, 2))
  })

  it("reads whether to halt from the first place, not to halt at first", () => {
    const spec = tokens()
    const graph = supervised(spec)
    const { halting, manifest, parameters } = graph
    const feeds = feedsOf(spec, graph)
    const { initial } = manifestOf((b) => {
      trmNet(b, spec)
    })
    const first = new Map([...feeds, [parameters, ndArray([manifest.size], initial(1))]])
    const [untrained] = interpret([halting], first) as [NdArray]
    expect([...untrained.data]).toEqual([-5, -5])

    const y = ops.input("some-y", [rows, 3, 4])
    const net = trmNet(servingBuilder(manifest, (feeds.get(parameters) as NdArray).data), spec)
    const given = randomArray("some-y", [rows, 3, 4])
    const elsewhere = ndArray(
      [rows, 3, 4],
      given.data.map((value, i) => (i % 12 < 4 ? value : value + 1))
    )
    const [one, other] = [given, elsewhere].map((array) => interpret([net.halting(y)], new Map([[y, array]])))
    expect(one?.[0]?.data).toEqual(other?.[0]?.data)
  })

  it("has fixed first states, and decays everything else", () => {
    const { manifest } = supervised(tokens({ positions: "learned" }))
    const frozen = manifest.entries.filter((entry) => entry.frozen).map(({ name }) => name)
    expect(frozen).toEqual(["y-initial", "z-initial"])
    expect(manifest.entries.filter(({ decay, frozen }) => !decay && !frozen)).toEqual([])
  })

  it("has the sizes of the paper and of the mission", () => {
    expect(effectiveDepth(published)).toBe(42)
    expect(effectiveDepth(strategyTrm.sizes)).toBe(42)
    const sizeOf = (spec: TrmSpec) =>
      manifestOf((b) => {
        trmNet(b, spec)
      }).size
    const sudoku: TrmSpec = { sizes: published, task: { kind: "tokens", length: 81, vocabulary: 11 } }
    expect(sizeOf(sudoku)).toBeGreaterThan(6.5e6)
    expect(sizeOf(sudoku)).toBeLessThan(7.5e6)
    const mlp: TrmSpec = { ...sudoku, sizes: { ...published, mix: "mlp", positions: "none" } }
    expect(sizeOf(mlp)).toBeGreaterThan(4.5e6)
    expect(sizeOf(mlp)).toBeLessThan(5.5e6)
  })

  it("refuses inputs of another task, and heads that do not fit", () => {
    const build = (spec: TrmSpec, columns: number) =>
      manifestOf((b) => {
        trmNet(b, spec).embed(ops.input("inputs", [rows, columns], "int64"))
      })
    expect(() => build(tokens(), 4)).toThrow(GraphInvalid)
    expect(() => build(tokens({ heads: 3 }), 3)).toThrow(GraphInvalid)
  })
})
