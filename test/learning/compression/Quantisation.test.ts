import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { sessionOptions } from "../../../src/agents/training-host/onnxruntime.ts"
import { calibrate } from "../../../src/learning/compression/Calibration.ts"
import { foldConstants } from "../../../src/learning/compression/ConstantFolding.ts"
import { QuantisationRefused } from "../../../src/learning/compression/errors.ts"
import {
  activationsOf,
  type QuantisationScheme,
  type Quantised,
  quantiseModel
} from "../../../src/learning/compression/Quantisation.ts"
import type { QuantisationOptions } from "../../../src/learning/compression/QuantisationPlan.ts"
import {
  decode,
  encode,
  irVersion,
  type ModelProto,
  type NodeProto,
  opsetVersion
} from "../../../src/learning/onnx/OnnxFile.ts"
import { type TensorProto, tensor, valuesOf } from "../../../src/learning/onnx/OnnxTensor.ts"
import {
  answersOf,
  feedsFor,
  firstParameters,
  networkNamed,
  networks,
  openModel,
  relativeError,
  servedModel,
  trainedParameters
} from "./networks.ts"

/**
 * Of the deviation of the outputs, root mean square. A transformer is a sum of many products, of whose activations its
 * answers are a small part.
 */
const relativeErrorMaxOf = (name: string): number => (name === "transformer" ? 0.1 : 0.05)

const everything: QuantisationOptions = { elementsMin: 16 }

const schemeOf = async (
  kind: QuantisationScheme["kind"],
  model: ModelProto,
  feeds: ReadonlyArray<ReturnType<typeof feedsFor>>,
  quantisation: QuantisationOptions
): Promise<QuantisationScheme> => {
  if (kind !== "static") return { kind }
  const rule = { kind: "share", share: 0.9999 } as const
  const ranges = await calibrate(model, feeds, { open: openModel, rule, quantisation })
  return { kind, ranges: Either.getOrThrow(ranges) }
}

const quantised = (model: ModelProto, scheme: QuantisationScheme, options = everything): Quantised =>
  Either.getOrThrow(quantiseModel(model, scheme, options))

const kinds = ["weights", "dynamic", "static"] as const

for (const [name, spec] of networks) {
  const hasLoop = name === "lstm" || name === "gru"
  const relativeErrorMax = relativeErrorMaxOf(name)
  const outputs = spec.head.kind === "regression" ? spec.head.outputs : 0
  describe(`a ${name} of eight bits`, () => {
    for (const [state, parameters] of [
      ["as it is drawn", async () => firstParameters(spec, 3)],
      ["after training", () => trainedParameters(spec)]
    ] as const) {
      it(`answers within ${relativeErrorMax} of the float one's deviation, ${state}`, async () => {
        const model = servedModel(spec, await parameters())
        const feeds = feedsFor(spec, "test", 200)
        const expected = await answersOf(model, feeds)
        for (const recurrence of hasLoop ? (["stored", "loop"] as const) : (["stored"] as const)) {
          for (const kind of kinds) {
            const options = { ...everything, recurrence }
            const scheme = await schemeOf(kind, model, [feedsFor(spec, "calibration", 300)], options)
            const { matrices, model: small } = quantised(model, scheme, options)
            const error = relativeError(await answersOf(small, feeds), expected, outputs)
            expect(error, `${kind}, ${recurrence}`).toBeLessThan(relativeErrorMax)
            // It is another model, not the same one again.
            expect(error).toBeGreaterThan(0)
            const treatments = new Set(matrices.map(({ treatment }) => treatment))
            expect(treatments.has("whole product")).toBe(kind !== "weights")
          }
        }
      })
    }

    it("keeps inputs, outputs, metadata and the standard domain, and can be written and read", async () => {
      const model = servedModel(spec, firstParameters(spec, 3))
      for (const kind of kinds) {
        const options: QuantisationOptions = { ...everything, recurrence: "loop" }
        const scheme = await schemeOf(kind, model, [feedsFor(spec, "calibration", 20)], options)
        const { model: small } = quantised(model, scheme, options)
        expect(small.graph.inputs).toEqual(model.graph.inputs)
        expect(small.graph.outputs).toEqual(model.graph.outputs)
        expect(small.metadata).toEqual(model.metadata)
        expect(small.opsets).toEqual([{ domain: "", version: opsetVersion }])
        expect(new Set(small.graph.nodes.map(({ domain }) => domain))).toEqual(new Set([""]))
        const bytes = encode(small)
        expect(encode(Either.getOrThrow(decode(bytes)))).toEqual(bytes)
        expect(encode(quantised(model, scheme, options).model)).toEqual(bytes)
      }
    })

    it("says of every matrix what became of it", () => {
      const model = servedModel(spec, firstParameters(spec, 3))
      const { matrices } = quantised(model, { kind: "dynamic" })
      const floats = matrices.filter(({ treatment }) => treatment === "float")
      expect(floats.map(({ name: of, reason }) => [of, reason])).toEqual(
        name === "transformer" ? [["positions/add", "Add takes it in float"]] : []
      )
      const recurrent = matrices.filter(({ op }) => op === "LSTM" || op === "GRU")
      expect(recurrent.map(({ treatment }) => treatment)).toEqual(
        hasLoop ? Array(4).fill("stored as eight bits") : []
      )
      const large = quantiseModel(model, { kind: "dynamic" }, { elementsMin: 1_000_000 })
      expect(Either.getOrThrow(Either.flip(large)).message).toMatch(/fewer than 1000000/)
    })
  })
}

describe("the size of a file", () => {
  it("is near a quarter where matrices make up most of it", () => {
    const spec = { ...networkNamed("mlp"), body: { kind: "mlp", hidden: [256, 256] } } as const
    const model = servedModel(spec, firstParameters(spec, 1))
    for (const kind of ["weights", "dynamic"] as const) {
      const share = encode(quantised(model, { kind }).model).length / encode(model).length
      expect(share).toBeLessThan(0.28)
    }
  })
})

describe("an answer of whole products", () => {
  const alone = async (model: ModelProto, spec: (typeof networks)[number][1], rows: number) => {
    const feeds = feedsFor(spec, "alone", rows)
    const size = spec.length * spec.features
    // One row is far from the others.
    const data = Float32Array.from(feeds.features?.data ?? [], (value, i) => (i < size ? value : 20 * value))
    const all = await answersOf(model, { features: { shape: [rows, spec.length, spec.features], data } })
    const shape = [1, spec.length, spec.features]
    const one = await answersOf(model, { features: { shape, data: data.slice(0, size) } })
    return { one, beside: all.slice(0, one.length) }
  }

  it("is the same whatever is asked beside it, with ranges from calibration", async () => {
    for (const name of ["mlp", "cnn", "dlinear"]) {
      const spec = networkNamed(name)
      const model = servedModel(spec, firstParameters(spec, 3))
      const scheme = await schemeOf("static", model, [feedsFor(spec, "calibration", 100)], everything)
      const { beside, one } = await alone(quantised(model, scheme).model, spec, 6)
      expect([...beside], name).toEqual([...one])
    }
  })

  it("moves with what is asked beside it, with ranges of the batch", async () => {
    const spec = networkNamed("mlp")
    const model = servedModel(spec, firstParameters(spec, 3))
    const { beside, one } = await alone(quantised(model, { kind: "dynamic" }).model, spec, 6)
    expect([...beside]).not.toEqual([...one])
  })

  it("is NaN where its row is not finite, and where its range comes from such a row", async () => {
    for (const [name, spec] of networks) {
      const model = servedModel(spec, firstParameters(spec, 3))
      const feeds = feedsFor(spec, "broken", 4)
      const clean = await answersOf(model, feeds)
      const width = clean.length / 4
      const options: QuantisationOptions = { ...everything, recurrence: "loop" }
      for (const kind of ["dynamic", "static"] as const) {
        const scheme = await schemeOf(kind, model, [feedsFor(spec, "calibration", 20)], options)
        const run = await openModel(quantised(model, scheme, options).model)
        const { prediction: whole } = (await run(feeds)) as { readonly prediction: Float32Array }
        expect([...whole].every(Number.isFinite), name).toBe(true)
        for (const broken of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const data = Float32Array.from(feeds.features?.data ?? [])
          // In the third of four rows.
          data[2 * spec.length * spec.features + 5] = broken
          const shape = [4, spec.length, spec.features]
          const { prediction } = (await run({ features: { shape, data } })) as {
            readonly prediction: Float32Array
          }
          prediction.forEach((value, i) => {
            const row = Math.floor(i / width)
            const told = `${name}, ${kind}, ${broken}, row ${row}`
            if (kind === "dynamic" || row === 2) expect(value, told).toBeNaN()
            else expect(value, told).toBe(whole[i])
          })
        }
      }
    }
  })

  it("is a number for a row of zeros", async () => {
    const spec = networkNamed("mlp")
    const model = servedModel(spec, new Float32Array(firstParameters(spec, 1).length).fill(0.01))
    const shape = [1, spec.length, spec.features]
    const feeds = { features: { shape, data: new Float32Array(spec.length * spec.features) } }
    const answers = await answersOf(quantised(model, { kind: "dynamic" }).model, feeds)
    expect([...answers].every(Number.isFinite)).toBe(true)
  })
})

/** Operators that onnxruntime runs, by its own record. */
const operatorsRun = async (
  model: ModelProto,
  feeds: ReturnType<typeof feedsFor>
): Promise<ReadonlyArray<string>> => {
  const folder = mkdtempSync(join(tmpdir(), "conclave-profile-"))
  try {
    const session = await InferenceSession.create(encode(model), {
      ...sessionOptions,
      enableProfiling: true,
      profileFilePrefix: join(folder, "profile")
    })
    const { data, shape } = feeds.features as { data: Float32Array; shape: ReadonlyArray<number> }
    await session.run({ features: new Tensor("float32", data, [...shape]) })
    session.endProfiling()
    await session.release()
    const [file] = readdirSync(folder)
    const events = JSON.parse(readFileSync(join(folder, file ?? ""), "utf8")) as ReadonlyArray<{
      readonly name: string
      readonly args?: { readonly op_name?: string }
    }>
    return events.flatMap(({ args, name }) =>
      name.endsWith("_kernel_time") && args?.op_name !== undefined ? [args.op_name] : []
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const countOf = (operators: ReadonlyArray<string>, operator: string): number =>
  operators.filter((one) => one === operator).length

describe("onnxruntime", () => {
  it("makes one operation of each product with ranges of the batch, its bias included", async () => {
    const spec = networkNamed("mlp")
    const model = quantised(servedModel(spec, firstParameters(spec, 1)), { kind: "dynamic" }).model
    const operators = await operatorsRun(model, feedsFor(spec, "profile", 2))
    expect(countOf(operators, "DynamicQuantizeMatMul")).toBe(3)
    for (const left of ["MatMul", "Gemm", "FusedGemm", "Cast", "DynamicQuantizeLinear"]) {
      expect(countOf(operators, left)).toBe(0)
    }
  })

  it("turns a convolution's input into codes once, for all its places", async () => {
    const spec = networkNamed("cnn")
    const model = quantised(servedModel(spec, firstParameters(spec, 1)), { kind: "dynamic" }).model
    expect(
      countOf(
        model.graph.nodes.map(({ op }) => op),
        "MatMulInteger"
      )
    ).toBe(5)
    expect(
      countOf(
        model.graph.nodes.map(({ op }) => op),
        "DynamicQuantizeLinear"
      )
    ).toBe(3)
    const operators = await operatorsRun(model, feedsFor(spec, "profile", 2))
    expect(countOf(operators, "MatMulIntegerToFloat") + countOf(operators, "DynamicQuantizeMatMul")).toBe(5)
  })

  it("multiplies whole numbers with ranges from calibration, and never turns weights back", async () => {
    for (const name of ["mlp", "cnn", "transformer"]) {
      const spec = networkNamed(name)
      const float = servedModel(spec, firstParameters(spec, 1))
      const scheme = await schemeOf("static", float, [feedsFor(spec, "calibration", 20)], everything)
      const { matrices, model } = quantised(float, scheme)
      const operators = await operatorsRun(model, feedsFor(spec, "profile", 2))
      const whole = matrices.filter(({ treatment }) => treatment === "whole product")
      expect(countOf(operators, "MatMulInteger"), name).toBe(whole.length)
      expect(countOf(operators, "DequantizeLinear"), name).toBe(0)
    }
  })

  it("makes floats of stored weights when it loads a model, not when it runs it", async () => {
    for (const name of ["mlp", "lstm", "gru"]) {
      const spec = networkNamed(name)
      const float = servedModel(spec, firstParameters(spec, 1))
      const feeds = feedsFor(spec, "profile", 2)
      const operators = await operatorsRun(quantised(float, { kind: "weights" }).model, feeds)
      expect([...operators].sort(), name).toEqual([...(await operatorsRun(float, feeds))].sort())
    }
  })
})

const node = (
  op: string,
  inputs: ReadonlyArray<string>,
  output: string,
  attributes: NodeProto["attributes"] = []
) => ({
  name: output,
  op,
  domain: "",
  inputs,
  outputs: [output],
  attributes
})

const modelOf = (
  nodes: ReadonlyArray<NodeProto>,
  initializers: ReadonlyArray<TensorProto>,
  width: number,
  version: number = opsetVersion
): ModelProto => ({
  irVersion,
  opsets: [{ domain: "", version }],
  producer: { name: "test", version: "" },
  graph: {
    name: "single",
    nodes,
    initializers,
    inputs: [{ name: "x", elementType: "float", dims: ["N", width] }],
    outputs: [{ name: "prediction", elementType: "float", dims: null }]
  },
  metadata: new Map()
})

/** Not fc.float, of which nearly all are next to 0. */
const small = (bound: number) => fc.integer({ min: -1_000, max: 1_000 }).map((one) => (bound * one) / 1_000)
const product = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 5 }), fc.integer({ min: 2, max: 5 }))
  .chain(([rows, inner, columns]) =>
    fc.record({
      rows: fc.constant(rows),
      inner: fc.constant(inner),
      columns: fc.constant(columns),
      x: fc.array(small(4), { minLength: rows * inner, maxLength: rows * inner }),
      weights: fc.array(small(2), { minLength: inner * columns, maxLength: inner * columns })
    })
  )

describe("a loop of whole products", () => {
  /** The served model with other constants for an input of its recurrence. */
  const changed = (
    model: ModelProto,
    at: number,
    to: (values: Float64Array) => ArrayLike<number>
  ): ModelProto => {
    const graph = foldConstants(model.graph)
    const names = new Set(
      graph.nodes.flatMap(({ inputs, op }) => (op === "LSTM" || op === "GRU" ? [inputs[at]] : []))
    )
    return {
      ...model,
      graph: {
        ...graph,
        initializers: graph.initializers.map((one) =>
          names.has(one.name) ? tensor(one.name, one.elementType, one.dims, to(valuesOf(one))) : one
        )
      }
    }
  }
  const loop: QuantisationOptions = { ...everything, recurrence: "loop" }
  /** With the same rounding of its weights, and nothing else: what a loop is to be measured by. */
  const stored = (model: ModelProto, feeds: ReturnType<typeof feedsFor>) =>
    answersOf(quantised(model, { kind: "weights" }).model, feeds)

  it("has the biases of the input and of the state, each in its place", async () => {
    for (const name of ["lstm", "gru"]) {
      const spec = networkNamed(name)
      const plain = servedModel(spec, firstParameters(spec, 3))
      const model = changed(plain, 3, (values) => values.map((_, i) => 0.3 * Math.sin(7 * i)))
      const feeds = feedsFor(spec, "biases", 100)
      const looped = await answersOf(quantised(model, { kind: "dynamic" }, loop).model, feeds)
      const expected = await stored(model, feeds)
      expect(relativeError(looped, expected, 2), name).toBeLessThan(relativeErrorMaxOf(name))
      expect(relativeError(await stored(plain, feeds), expected, 2), name).toBeGreaterThan(0.3)
    }
  })

  it("codes its state by the range of its sequence", async () => {
    for (const name of ["lstm", "gru"]) {
      const spec = networkNamed(name)
      const model = servedModel(spec, firstParameters(spec, 3))
      const feeds = feedsFor(spec, "state", 100)
      const forgetful = changed(model, 2, (values) => values.map(() => 0))
      const scheme = await schemeOf("static", forgetful, [feedsFor(spec, "calibration", 100)], loop)
      if (scheme.kind !== "static") throw new Error("no ranges")
      const sequences = model.graph.nodes.flatMap(({ op, outputs }) =>
        op === "LSTM" || op === "GRU" ? [outputs[0] as string] : []
      )
      expect(sequences.length).toBe(2)
      // In so wide a range every state has the code of 0, as if no weight led from a state to the next.
      const wide = { low: -1e9, high: 1e9 }
      const ranges = new Map([...scheme.ranges, ...sequences.map((one) => [one, wide] as const)])
      const looped = await answersOf(quantised(model, { kind: "static", ranges }, loop).model, feeds)
      const error = relativeError(looped, await stored(forgetful, feeds), 2)
      expect(error, name).toBeLessThan(relativeErrorMaxOf(name))
      expect(relativeError(looped, await stored(model, feeds), 2), name).toBeGreaterThan(2 * error)
    }
  })
})

describe("one product", () => {
  it("is off by no more than the halves of both scales allow", async () => {
    await fc.assert(
      fc.asyncProperty(product, async ({ columns, inner, rows, weights, x }) => {
        const w = tensor("w", "float", [inner, columns], weights)
        const model = modelOf([node("MatMul", ["x", "w"], "prediction")], [w], inner)
        const low = Math.min(0, ...x)
        const high = Math.max(0, ...x)
        const ranges = new Map([["x", { low, high }]])
        const feeds = { x: { shape: [rows, inner], data: Float32Array.from(x) } }
        for (const scheme of [
          { kind: "weights" },
          { kind: "dynamic" },
          { kind: "static", ranges }
        ] as const) {
          const { model: quick } = quantised(model, scheme, { elementsMin: 1 })
          const actual = await answersOf(quick, feeds)
          for (let row = 0; row < rows; row++) {
            for (let column = 0; column < columns; column++) {
              const of = (k: number) => weights[k * columns + column] as number
              const at = (k: number) => x[row * inner + k] as number
              const all = Array.from({ length: inner }, (_, k) => k)
              const weightHalf = (Math.max(...all.map((k) => Math.abs(of(k)))) / 127 || 1) / 2
              // A whole scale at the ends of a range: 0 has a code of its own.
              const inputStep = scheme.kind === "weights" ? 0 : (high - low) / 255 || 1
              const exact = all.reduce((sum, k) => sum + at(k) * of(k), 0)
              const bound = all.reduce(
                (sum, k) =>
                  sum + Math.abs(at(k)) * weightHalf + Math.abs(of(k)) * inputStep + weightHalf * inputStep,
                0
              )
              const off = Math.abs((actual[row * columns + column] as number) - exact)
              expect(off).toBeLessThanOrEqual(bound * 1.001 + 1e-5)
            }
          }
        }
      }),
      { numRuns: 30 }
    )
  })

  it("by a Gemm is the same as by a MatMul and a sum, its matrix transposed or not", async () => {
    const random = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(3 * i + 1))
    const plain = tensor("w", "float", [3, 4], random(12))
    const turned = tensor(
      "w",
      "float",
      [4, 3],
      Array.from({ length: 12 }, (_, i) => random(12)[(i % 3) * 4 + Math.floor(i / 3)] as number)
    )
    const bias = tensor("b", "float", [4], [1, -2, 3, -4])
    const ints = (name: string, value: number) => ({ name, type: "int", value }) as const
    const feeds = { x: { shape: [2, 3], data: random(6) } }
    const sum = modelOf(
      [node("MatMul", ["x", "w"], "product"), node("Add", ["product", "b"], "prediction")],
      [plain, bias],
      3
    )
    const gemm = modelOf([node("Gemm", ["x", "w", "b"], "prediction")], [plain, bias], 3)
    const transposed = modelOf(
      [node("Gemm", ["x", "w", "b"], "prediction", [ints("transB", 1)])],
      [turned, bias],
      3
    )
    for (const kind of ["weights", "dynamic"] as const) {
      const [first, ...others] = await Promise.all(
        [sum, gemm, transposed].map(async (model) =>
          answersOf(quantised(model, { kind }, { elementsMin: 1 }).model, feeds)
        )
      )
      for (const other of others) expect([...other]).toEqual([...(first ?? [])])
    }
  })
})

describe("what cannot be quantised", () => {
  const weights = tensor("w", "float", [4, 4], new Float32Array(16).fill(0.5))
  const refusal = (model: ModelProto, scheme: QuantisationScheme = { kind: "dynamic" }, elementsMin = 1) =>
    Either.getOrThrow(Either.flip(quantiseModel(model, scheme, { elementsMin })))

  it("is refused with the reason", () => {
    const plain = modelOf([node("MatMul", ["x", "w"], "prediction")], [weights], 4)
    expect(refusal(plain, { kind: "dynamic" }, 17)).toBeInstanceOf(QuantisationRefused)
    expect(refusal(plain, { kind: "dynamic" }, 17).reason).toMatch(/16 elements, fewer than 17/)
    expect(refusal(plain, { kind: "static", ranges: new Map() }).reason).toBe('the range of "x" is not known')
    expect(activationsOf(plain, { elementsMin: 1 })).toEqual(["x"])
    const old = modelOf([node("MatMul", ["x", "w"], "prediction")], [weights], 4, 13)
    expect(refusal(old).reason).toMatch(/version 13/)
    const none = modelOf([node("Relu", ["x"], "prediction")], [], 4)
    expect(refusal(none).reason).toMatch(/it has none/)
  })

  it("is named where it stands", () => {
    const of = (...nodes: ReadonlyArray<NodeProto>) => refusal(modelOf(nodes, [weights], 4)).reason
    const float = (name: string, value: number) => ({ name, type: "float", value }) as const
    const int = (name: string, value: number) => ({ name, type: "int", value }) as const
    expect(of(node("MatMul", ["w", "x"], "prediction"))).toMatch(/on the left/)
    expect(of(node("Gemm", ["x", "w"], "prediction", [float("alpha", 2)]))).toMatch(/scales its terms/)
    expect(of(node("Gemm", ["x", "w"], "prediction", [int("transA", 1)]))).toMatch(
      /left factor is transposed/
    )
    expect(of(node("Gemm", ["x", "x", "w"], "prediction"))).toMatch(/second term/)
    expect(of(node("Add", ["x", "w"], "prediction"))).toMatch(/Add takes it in float/)
    const broken = tensor("w", "float", [4, 4], new Float32Array(16).fill(Number.NaN))
    const model = modelOf([node("MatMul", ["x", "w"], "prediction")], [broken], 4)
    expect(refusal(model).reason).toMatch(/not finite/)
  })

  it("is an LSTM of another form", () => {
    const spec = networkNamed("lstm")
    const model = servedModel(spec, firstParameters(spec, 1))
    const changed = (change: (lstm: NodeProto) => NodeProto) => {
      const nodes = model.graph.nodes.map((one) => (one.op === "LSTM" ? change(one) : one))
      const { matrices } = quantised({ ...model, graph: { ...model.graph, nodes } }, { kind: "dynamic" })
      return matrices.find(({ op }) => op === "LSTM")?.reason
    }
    const attribute = { name: "direction", type: "string", value: "reverse" } as const
    expect(changed((one) => ({ ...one, attributes: [...one.attributes, attribute] }))).toMatch(/one form/)
    expect(changed((one) => ({ ...one, inputs: [...one.inputs, "", "start"] }))).toMatch(/more than weights/)
    expect(changed((one) => ({ ...one, outputs: [...one.outputs, `${one.name}/last`] }))).toMatch(
      /more than its/
    )
    expect(changed((one) => one)).toBe("")
  })
})
