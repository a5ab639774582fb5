import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { emitLinear } from "../../src/learning/LinearOpinion.ts"
import { emitNetwork, networkManifest } from "../../src/learning/NetworkOpinion.ts"
import { decode, encode } from "../../src/learning/onnx/OnnxFile.ts"
import { recalibrate } from "../../src/learning/recalibrate.ts"
import type { Calibrator } from "../../src/learning/ScoreCalibrator.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"

const calibrators: readonly [Calibrator, Calibrator] = [
  {
    outcomes: 100,
    sell: { intercept: -0.5, score: -0.4, band: 0.1 },
    buy: { intercept: -0.3, score: 0.6, band: -0.1 },
    scoreMax: 3,
    logBandMin: -2,
    logBandMax: 1,
    slope: 0.5,
    residualDeviation: 1
  },
  {
    outcomes: 300,
    sell: { intercept: 0.2, score: -0.9, band: 0.3 },
    buy: { intercept: 0.1, score: 0.2, band: 0.2 },
    scoreMax: 2,
    logBandMin: -1,
    logBandMax: 2,
    slope: 0.25,
    residualDeviation: 0.8
  }
]

const network = {
  length: 6,
  features: 3,
  body: { kind: "lstm", hidden: 5, layers: 2, dropout: 0 },
  head: { kind: "regression", outputs: 1 }
} as const

const emitters = {
  linear: (calibrator: Calibrator) =>
    emitLinear({
      means: Float64Array.of(0, 1),
      deviations: Float64Array.of(1, 2),
      coefficients: Float64Array.of(0.5, -0.2),
      intercept: 0.1,
      calibrator,
      featureNames: ["one", "two"],
      featureSchemaVersion: 1
    }),
  lstm: (calibrator: Calibrator) => {
    const random = keyedRandom("recalibrate")
    return emitNetwork({
      network,
      parameters: Float32Array.from({ length: networkManifest(network).size }, () => random.normal() * 0.3),
      normalisation: { means: [0, 0, 0], deviations: [1, 1, 1] },
      calibrator,
      featureNames: Array.from({ length: 18 }, (_, i) => `f${i}`),
      featureSchemaVersion: 1
    })
  }
}

const run = async (bytes: Uint8Array, columns: number) => {
  const { InferenceSession, Tensor } = await import("onnxruntime-node")
  const session = await InferenceSession.create(bytes)
  const rows = 7
  const random = keyedRandom("rows")
  const of = (count: number, scale: number) =>
    Float32Array.from({ length: count }, () => scale * (0.2 + Math.abs(random.normal())))
  const results = await session.run({
    features: new Tensor("float32", of(rows * columns, 1), [rows, columns]),
    sigma: new Tensor("float32", of(rows, 0.02), [rows, 1]),
    band: new Tensor("float32", of(rows, 0.01), [rows, 1])
  })
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, [...(data as Float32Array)]])
  )
}

describe("another calibrator", () => {
  it.each(["linear", "lstm"] as const)(
    "makes of a %s model what it would have been with it, to the bit",
    async (kind) => {
      const [before, after] = calibrators
      const emit = emitters[kind]
      const columns = kind === "linear" ? 2 : 18
      const changed = encode(Either.getOrThrow(recalibrate(Either.getOrThrow(decode(emit(before))), after)))
      expect(await run(changed, columns)).toEqual(await run(emit(after), columns))
      expect(await run(changed, columns)).not.toEqual(await run(emit(before), columns))
      // Again and again, without growing.
      const again = encode(Either.getOrThrow(recalibrate(Either.getOrThrow(decode(changed)), before)))
      expect(await run(again, columns)).toEqual(await run(emit(before), columns))
      const thrice = encode(Either.getOrThrow(recalibrate(Either.getOrThrow(decode(again)), after)))
      expect(thrice.byteLength).toBe(changed.byteLength)
      expect(Buffer.compare(thrice, changed)).toBe(0)
    }
  )

  it("is refused for a model that gives no opinions", () => {
    const model = Either.getOrThrow(decode(emitters.linear(calibrators[0])))
    const other = { ...model, graph: { ...model.graph, outputs: model.graph.outputs.slice(1) } }
    expect(Either.isLeft(recalibrate(other, calibrators[1]))).toBe(true)
  })
})
