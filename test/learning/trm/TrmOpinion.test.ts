import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { classOutput, describeClasses, evaluateClasses } from "../../../src/learning/ClassOpinion.ts"
import { ArtefactInvalid } from "../../../src/learning/errors.ts"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import { type NdArray, ndArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { servingBuilder } from "../../../src/learning/graph/Parameters.ts"
import { normalisedMax } from "../../../src/learning/NetworkOpinion.ts"
import { describe as describeModel, evaluateScore } from "../../../src/learning/OpinionModel.ts"
import { decode } from "../../../src/learning/onnx/OnnxFile.ts"
import { trmNet } from "../../../src/learning/trm/TrmNet.ts"
import { emitTrm, recursionKey, type TrmOpinion, trmManifest } from "../../../src/learning/trm/TrmOpinion.ts"
import { trmMetadataKeys } from "../../../src/learning/trm/TrmServing.ts"
import { placesOf, strategyTrm } from "../../../src/learning/trm/TrmSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomArray } from "../graph/check.ts"
import { runOnnx } from "../onnx/runOnnx.ts"
import { askOnnx, expectClose, randomCalibrator, randomRows } from "../opinions.ts"
import { features } from "./specs.ts"

const trm = features({ latentSteps: 2, recursions: 2 })
const manifest = trmManifest(trm)
const supervisionSteps = 16

/** Rows halt at different steps under these, and rounding does not grow. */
const parameters = Float32Array.from(randomArray("b", [manifest.size]).data)
for (const { name, offset, shape } of manifest.entries) {
  const end = offset + shape.reduce((product, size) => product * size, 1)
  for (let i = offset; i < end; i++) {
    if (name.startsWith("f/")) parameters[i] = 0.15 * (parameters[i] as number)
    if (name === "halt/bias") parameters[i] = 0.55 + (parameters[i] as number)
  }
}

const random = keyedRandom("trm opinion")
const model = {
  trm,
  parameters,
  normalisation: { means: [0.5, -1, 20], deviations: [2, 0.1, 5] },
  classes: { names: ["a", "b", "c", "d"], values: [0, 0.4, -0.3, 0.1], weights: [1, 1, 1, 1] },
  supervisionSteps,
  calibrator: randomCalibrator(random),
  featureNames: ["one", "two", "three"],
  featureSchemaVersion: 1,
  metadata: { seed: "7" }
} satisfies TrmOpinion & Parameters<typeof emitTrm>[0]

const rows = randomRows(random, 24, 3).map((row, i) => ({
  ...row,
  // Some lie where they are clipped.
  features: row.features.map((value, k) =>
    Math.fround(
      value * (model.normalisation.deviations[k] as number) * (i % 6 === 0 ? 30 : 1) +
        (model.normalisation.means[k] as number)
    )
  )
}))

/** Logits and q of every row after each step, in float64, one step after the other. */
const steps = (() => {
  const net = trmNet(servingBuilder(manifest, parameters), trm)
  const state = [rows.length, placesOf(trm.task), trm.sizes.width]
  const inputs = ops.input("inputs", [rows.length, 3])
  const [y, z] = [ops.input("y", state), ops.input("z", state)]
  const next = net.superviseOnce(net.embed(inputs), { y, z })
  const begun = (initial: typeof y) =>
    interpret([ops.broadcastLike(initial, y)], new Map([[y, ndArray(state)]]))[0] as NdArray
  let [before, latent] = [begun(net.initial.y), begun(net.initial.z)]
  const { deviations, means } = model.normalisation
  const x = Float64Array.from(
    rows.flatMap((row) =>
      Array.from(row.features, (value, k) => {
        const scaled = (value - (means[k] as number)) / (deviations[k] as number)
        return Math.min(normalisedMax, Math.max(-normalisedMax, scaled))
      })
    )
  )
  return Array.from({ length: supervisionSteps }, () => {
    const [after, last, logits, q] = interpret(
      [next.y, next.z, net.logits(next.y), net.halting(next.y)],
      new Map([
        [inputs, ndArray([rows.length, 3], x)],
        [y, before],
        [z, latent]
      ])
    ) as [NdArray, NdArray, NdArray, NdArray]
    ;[before, latent] = [after, last]
    return { logits: logits.data, q: q.data }
  })
})()

const reference = rows.map((row, i) => {
  const halted = steps.findIndex(({ q }) => (q[i] as number) > 0)
  const used = halted < 0 ? supervisionSteps : halted + 1
  const { logits, q } = steps[used - 1] as (typeof steps)[number]
  const s = Array.from(logits.slice(4 * i, 4 * i + 4), (v) => (v >= 0 ? v + 1 : 1 / (1 - v)))
  const total = s.reduce((sum, one) => sum + one, 0)
  const classes = s.map((one) => one / total)
  const halt = 1 / (1 + Math.exp(-(q[i] as number)))
  return {
    used,
    classes,
    halt,
    opinion: evaluateScore(model.calibrator, evaluateClasses(model.classes, classes), row)
  }
})

describe("the opinion of a recursive model", () => {
  const artefact = emitTrm(model)

  it("is in onnxruntime what its reference is in float64", async () => {
    expectClose(
      await askOnnx(artefact, rows),
      reference.map(({ opinion }) => opinion)
    )
    expect(new Set(reference.map(({ used }) => used)).size).toBeGreaterThan(3)
  })

  it("gives its classes, whether it holds them for right, and the steps that it took", async () => {
    const out = await runOnnx(artefact, {
      features: { dims: [rows.length, 3], values: rows.flatMap((row) => [...row.features]) },
      sigma: { dims: [rows.length, 1], values: rows.map((row) => row.sigma) },
      band: { dims: [rows.length, 1], values: rows.map((row) => row.band) }
    })
    expect(out[classOutput]?.dims).toEqual([rows.length, 4])
    expect(out.halt_probability?.dims).toEqual([rows.length, 1])
    expect(out.steps?.dims).toEqual([rows.length, 1])
    reference.forEach(({ classes, halt, used }, i) => {
      classes.forEach((share, k) => {
        expect(Math.abs((out[classOutput]?.values[4 * i + k] as number) - share)).toBeLessThan(1e-5)
      })
      expect(Math.abs((out.halt_probability?.values[i] as number) - halt)).toBeLessThan(1e-5)
      expect(out.steps?.values[i]).toBe(used)
    })
  })

  it("says what it is: its classes, and a recursion of 42 layers in the sizes of the mission", () => {
    const own = emitTrm({
      ...model,
      trm: strategyTrm,
      parameters: new Float32Array(trmManifest(strategyTrm).size),
      normalisation: { means: Array(10).fill(0), deviations: Array(10).fill(1) },
      classes: {
        names: Array.from({ length: 8 }, (_, i) => `class-${i}`),
        values: Array(8).fill(0),
        weights: Array(8).fill(1)
      },
      featureNames: Array.from({ length: 10 }, (_, i) => `feature-${i}`)
    })
    const proto = Either.getOrThrow(decode(own))
    const { kind, metadata } = Either.getOrThrow(describeModel(proto))
    expect(kind).toBe("network-trm")
    expect(Either.getOrThrow(describeClasses(proto))?.length).toBe(8)
    expect(JSON.parse(metadata.get(recursionKey) ?? "")).toEqual({
      cycles: 3,
      latentSteps: 6,
      layers: 2,
      effectiveDepth: 42,
      supervisionSteps: 16
    })
    expect(JSON.parse(metadata.get(trmMetadataKeys.sizes) ?? "")).toEqual(strategyTrm.sizes)
    expect(metadata.get("seed")).toBe("7")
    expect(emitTrm(model)).toEqual(artefact)
  })

  it("refuses parts that do not fit", () => {
    for (const changed of [
      { parameters: parameters.slice(1) },
      { featureNames: ["one"] },
      { classes: { ...model.classes, names: ["a", "b"] } },
      { classes: { ...model.classes, weights: [1, 2, 1, 1] } },
      { normalisation: { means: [0, 0, 0], deviations: [1, 0, 1] } },
      { trm: { ...trm, task: { kind: "tokens", length: 3, vocabulary: 4 } as const } }
    ]) {
      expect(() => emitTrm({ ...model, ...changed })).toThrow(ArtefactInvalid)
    }
  })
})
