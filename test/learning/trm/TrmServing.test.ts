import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { openWithOnnxruntime } from "../../../src/agents/training-host/onnxruntime.ts"
import { ArtefactInvalid } from "../../../src/learning/errors.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { manifestOf, servingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { toOnnx } from "../../../src/learning/graph/toOnnx.ts"
import { decode, encode } from "../../../src/learning/onnx/OnnxFile.ts"
import { evaluationSpec } from "../../../src/learning/trm/TrmEvaluation.ts"
import { trmNet } from "../../../src/learning/trm/TrmNet.ts"
import { type TrmArtefact, trmMetadataKeys, trmServingSpec } from "../../../src/learning/trm/TrmServing.ts"
import { placesOf, strategyTrm, type TrmSpec } from "../../../src/learning/trm/TrmSpec.ts"
import { randomArray } from "../graph/check.ts"
import { features } from "./specs.ts"

const spec = features({ latentSteps: 2, recursions: 2 })
const supervisionSteps = 16
const rows = 12

const manifest = manifestOf((b) => {
  trmNet(b, spec)
})

/** Parameters under which rows halt at different steps, and some do not; small ones, so that rounding does not grow. */
const parameters = Float32Array.from(randomArray("b", [manifest.size]).data)
for (const { name, offset, shape } of manifest.entries) {
  const end = offset + shape.reduce((product, size) => product * size, 1)
  for (let i = offset; i < end; i++) {
    if (name.startsWith("f/")) parameters[i] = 0.15 * (parameters[i] as number)
    if (name === "halt/bias") parameters[i] = 0.55 + (parameters[i] as number)
  }
}

const artefact = (changes: Partial<TrmArtefact> = {}): TrmArtefact => ({
  sizes: spec.sizes,
  manifest,
  parameters,
  normalisation: { means: [0.5, -1, 20], deviations: [2, 0.1, 5] },
  featureNames: ["one", "two", "three"],
  classNames: ["a", "b", "c", "d"],
  supervisionSteps,
  ...changes
})

const normal = randomArray("features", [rows, 3])
const raw = Float32Array.from(normal.data, (value, i) => {
  const { deviations, means } = artefact().normalisation
  return value * (deviations[i % 3] as number) + (means[i % 3] as number)
})

const serve = async (of: TrmArtefact, data: Float32Array, count = rows) => {
  const run = await openWithOnnxruntime(trmServingSpec(of))
  const results = await run({ features: { shape: [count, 3], data } })
  const part = (name: string) => results[name] as Float32Array
  return {
    logits: part("logits"),
    probabilities: part("probabilities"),
    halt: part("halt_probability"),
    steps: part("steps")
  }
}

/** q and logits of each row after each step, one step after the other, as they are defined. */
const stepByStep = (of: TrmSpec) => {
  const net = trmNet(servingBuilder(manifest, parameters), of)
  const state = [rows, placesOf(of.task), of.sizes.width]
  const inputs = ops.input("inputs", [rows, 3])
  const [y, z] = [ops.input("y", state), ops.input("z", state)]
  const next = net.superviseOnce(net.embed(inputs), { y, z })
  const fill = (initial: typeof y) =>
    interpret([ops.broadcastLike(initial, y)], new Map([[y, ndArray(state)]]))[0]
  let [before, latent] = [fill(net.initial.y), fill(net.initial.z)] as [NdArray, NdArray]
  return Array.from({ length: supervisionSteps }, () => {
    const [after, last, logits, q] = interpret(
      [next.y, next.z, net.logits(next.y), net.halting(next.y)],
      new Map([
        [inputs, normal],
        [y, before],
        [z, latent]
      ])
    ) as [NdArray, NdArray, NdArray, NdArray]
    before = after
    latent = last
    return { logits: logits.data, q: q.data }
  })
}

describe("a served recursive model", () => {
  it("answers with the step at which a row halts, or the last", async () => {
    const steps = stepByStep(spec)
    const { halt: halting, logits, probabilities, steps: used } = await serve(artefact(), raw)
    const expected = Array.from({ length: rows }, (_, row) => {
      const at = steps.findIndex(({ q }) => (q[row] as number) > 0)
      return at < 0 ? supervisionSteps : at + 1
    })
    expect([...used]).toEqual(expected)
    // The parameters are such that the test sees all cases.
    expect(new Set(expected).size).toBeGreaterThan(3)
    expect(expected).toContain(supervisionSteps)
    expected.forEach((count, row) => {
      const step = steps[count - 1]
      expect(halting[row]).toBeCloseTo(1 / (1 + Math.exp(-(step?.q[row] as number))), 4)
      const own = (step?.logits ?? new Float64Array()).slice(row * 4, (row + 1) * 4)
      const s = own.map((v) => (v >= 0 ? v + 1 : 1 / (1 - v)))
      const total = s.reduce((sum, value) => sum + value, 0)
      own.forEach((logit, i) => {
        expect(logits[row * 4 + i]).toBeCloseTo(logit, 4)
        expect(probabilities[row * 4 + i]).toBeCloseTo((s[i] as number) / total, 4)
      })
    })
  })

  it("answers each row by itself, in a batch of any size", async () => {
    const together = await serve(artefact(), raw)
    const run = await openWithOnnxruntime(trmServingSpec(artefact()))
    for (let row = 0; row < rows; row++) {
      const alone = await run({ features: { shape: [1, 3], data: raw.slice(row * 3, (row + 1) * 3) } })
      expect([...(alone.steps ?? [])]).toEqual([together.steps[row]])
      alone.logits?.forEach((logit, i) => {
        expect(logit).toBeCloseTo(together.logits[row * 4 + i] as number, 4)
      })
    }
  })

  it("is after one step, in the model of one, what that step gives", async () => {
    const [first] = stepByStep(spec)
    const one = await serve(artefact({ supervisionSteps: 1 }), raw)
    expect([...one.steps]).toEqual(Array(rows).fill(1))
    first?.logits.forEach((logit, i) => {
      expect(one.logits[i]).toBeCloseTo(logit, 4)
    })
  })

  it("is, evaluated, the answer after all steps whatever q says", async () => {
    const run = await openWithOnnxruntime(evaluationSpec(spec, manifest, rows, supervisionSteps))
    const results = await run({
      parameters: { shape: [manifest.size], data: parameters },
      inputs: { shape: [rows, 3], data: Float32Array.from(normal.data) }
    })
    const last = stepByStep(spec).at(-1)
    last?.logits.forEach((logit, i) => {
      expect(results.logits?.[i]).toBeCloseTo(logit, 4)
    })
    last?.q.forEach((q, i) => {
      expect(results.halting?.[i]).toBeCloseTo(q, 4)
    })
  })

  it("gives distributions for whatever features", async () => {
    const run = await openWithOnnxruntime(trmServingSpec(artefact()))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 3, maxLength: 3 }),
        async (values) => {
          const results = await run({ features: { shape: [1, 3], data: Float32Array.from(values) } })
          const { halt_probability, probabilities = new Float32Array(), steps } = results
          expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
          expect(probabilities.every((p) => p >= 0)).toBe(true)
          expect(halt_probability?.[0]).toBeGreaterThanOrEqual(0)
          expect(halt_probability?.[0]).toBeLessThanOrEqual(1)
          expect(Number.isInteger(steps?.[0])).toBe(true)
        }
      ),
      { numRuns: 30 }
    )
  })

  it("carries its names and sizes, and has the same bytes for the same parts", () => {
    const bytes = encode(toOnnx(trmServingSpec(artefact())))
    expect(bytes).toEqual(encode(toOnnx(trmServingSpec(artefact()))))
    const model = decode(bytes)
    const metadata = new Map(model._tag === "Right" ? model.right.metadata : [])
    expect(JSON.parse(metadata.get(trmMetadataKeys.featureNames) ?? "")).toEqual(["one", "two", "three"])
    expect(JSON.parse(metadata.get(trmMetadataKeys.classNames) ?? "")).toEqual(["a", "b", "c", "d"])
    expect(JSON.parse(metadata.get(trmMetadataKeys.sizes) ?? "")).toEqual(spec.sizes)
    expect(metadata.get(trmMetadataKeys.supervisionSteps)).toBe("16")
  })

  it("has, as the mission asks, ten features, eight strategies and a network of 42 layers", async () => {
    const own = manifestOf((b) => {
      trmNet(b, strategyTrm)
    })
    const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
    const run = await openWithOnnxruntime(
      trmServingSpec({
        sizes: strategyTrm.sizes,
        manifest: own,
        parameters: own.initial(1),
        normalisation: { means: Array(10).fill(0), deviations: Array(10).fill(1) },
        featureNames: names("feature", 10),
        classNames: names("strategy", 8),
        supervisionSteps
      })
    )
    const results = await run({ features: { shape: [3, 10], data: new Float32Array(30).fill(0.1) } })
    expect(results.logits?.length).toBe(24)
    expect(results.probabilities?.length).toBe(24)
    // Untrained, it does not halt.
    expect([...(results.steps ?? [])]).toEqual([16, 16, 16])
  })

  it("refuses parts that do not fit", () => {
    const nan = parameters.slice()
    nan[0] = Number.NaN
    for (const wrong of [
      { parameters: parameters.slice(1) },
      { parameters: nan },
      { normalisation: { means: [0, 0], deviations: [1, 1] } },
      { normalisation: { means: [0, 0, 0], deviations: [1, 0, 1] } },
      { normalisation: { means: [0, 0, 0], deviations: [1, 1e-60, 1] } },
      { normalisation: { means: [0, Number.NaN, 0], deviations: [1, 1, 1] } },
      { featureNames: ["one", "one", "two"] },
      { classNames: ["a", "b", "a", "c"] }
    ]) {
      expect(() => trmServingSpec(artefact(wrong))).toThrow(ArtefactInvalid)
    }
  })
})
