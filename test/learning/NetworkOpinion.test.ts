import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { ArtefactInvalid } from "../../src/learning/errors.ts"
import { interpret } from "../../src/learning/graph/interpret.ts"
import { ndArray } from "../../src/learning/graph/NdArray.ts"
import * as ops from "../../src/learning/graph/ops.ts"
import { servingBuilder } from "../../src/learning/graph/Parameters.ts"
import {
  emitNetwork,
  fitNormalisation,
  type NetworkOpinion,
  networkManifest,
  normalise,
  normalisedMax
} from "../../src/learning/NetworkOpinion.ts"
import type { BodySpec, HeadSpec, NetworkSpec } from "../../src/learning/networks/NetworkSpec.ts"
import { networkOf } from "../../src/learning/networks/network.ts"
import {
  type ArtefactLabels,
  describe as describeModel,
  evaluateScore
} from "../../src/learning/OpinionModel.ts"
import { decode } from "../../src/learning/onnx/OnnxFile.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, expectClose, type Row, randomCalibrator, randomRows } from "./opinions.ts"

const length = 6
const features = 3

const bodies: ReadonlyArray<BodySpec> = [
  { kind: "linear" },
  { kind: "mlp", hidden: [5] },
  { kind: "lstm", hidden: 4, layers: 2, dropout: 0.3 },
  { kind: "gru", hidden: 4, layers: 1, dropout: 0 },
  { kind: "cnn", filters: [4, 3], kernel: 3, pool: 2, dropout: 0.1 },
  { kind: "transformer", width: 8, heads: 2, layers: 1, inner: 6, dropout: 0.1 }
]
const regression: HeadSpec = { kind: "regression", outputs: 1 }
const heads: ReadonlyArray<HeadSpec> = [
  regression,
  { kind: "gaussian", outputs: 1 },
  { kind: "quantiles", outputs: 1, levels: [0.1, 0.5, 0.9] }
]
const networks: ReadonlyArray<NetworkSpec> = [
  ...bodies.map((body) => ({ length, features, body, head: regression })),
  ...heads.map((head) => ({ length, features, body: bodies[1] as BodySpec, head })),
  { length, features: 1, body: { kind: "dlinear", horizon: 1, window: 3 }, head: regression }
]

const randomModel = (network: NetworkSpec, key = "network"): NetworkOpinion & ArtefactLabels => {
  const random = keyedRandom(key, network.body.kind, network.head.kind)
  return {
    network,
    parameters: Float32Array.from({ length: networkManifest(network).size }, () => random.normal() / 2),
    normalisation: {
      means: Float64Array.from({ length: network.features }, random.normal),
      deviations: Float64Array.from({ length: network.features }, () => 0.5 + random.next())
    },
    calibrator: randomCalibrator(random),
    featureNames: Array.from({ length: network.length * network.features }, (_, i) => `feature-${i}`),
    featureSchemaVersion: 1
  }
}

/** The same in float64, row by row. */
const evaluate = ({ calibrator, network, normalisation, parameters }: NetworkOpinion, row: Row) => {
  const x = ops.input("x", [1, network.length, network.features])
  const output = networkOf(network)(servingBuilder(networkManifest(network), parameters), x)
  const values = Float64Array.from(row.features, (value, i) => {
    const k = i % network.features
    const scaled = (value - (normalisation.means[k] as number)) / (normalisation.deviations[k] as number)
    return Math.min(normalisedMax, Math.max(-normalisedMax, scaled))
  })
  const [result] = interpret([output], new Map([[x, ndArray([1, network.length, network.features], values)]]))
  const at = network.head.kind === "quantiles" ? 1 : 0
  return evaluateScore(calibrator, result?.data[at] as number, row)
}

describe("NetworkOpinion", () => {
  for (const network of networks) {
    it(`answers in onnxruntime as its reference does: ${network.body.kind}, ${network.head.kind}`, async () => {
      const model = randomModel(network)
      const random = keyedRandom("rows", network.body.kind)
      const rows = randomRows(random, 40, network.length * network.features).map((row, i) =>
        // Some lie where they are clipped.
        i % 8 === 0 ? { ...row, features: row.features.map((value) => value * 100) } : row
      )
      const expected = rows.map((row) => evaluate(model, row))
      expectClose(await askOnnx(emitNetwork(model), rows), expected)
      // Rectified units may be silent on some of the rows.
      expect(new Set(expected.map(({ score }) => score)).size).toBeGreaterThan(rows.length / 2)
    })
  }

  it("carries its description, and gives equal bytes for equal parts", () => {
    const [network] = networks as readonly [NetworkSpec]
    const metadata = { seed: "7" }
    const artefact = emitNetwork({ ...randomModel(network), metadata })
    expect(emitNetwork({ ...randomModel(network), metadata })).toEqual(artefact)
    expect(emitNetwork({ ...randomModel(network, "another"), metadata })).not.toEqual(artefact)
    const described = Either.getOrThrow(describeModel(Either.getOrThrow(decode(artefact))))
    expect(described).toMatchObject({ kind: "network-linear", featureSchemaVersion: 1 })
    expect(described.featureNames.length).toBe(length * features)
    expect(described.metadata.get("seed")).toBe("7")
  })

  it("takes a network of millions of parameters", () => {
    const network: NetworkSpec = {
      length: 60,
      features: 10,
      body: { kind: "transformer", width: 256, heads: 8, layers: 4, inner: 1_024, dropout: 0.1 },
      head: regression
    }
    const artefact = emitNetwork(randomModel(network))
    expect(artefact.length).toBeGreaterThan(12_000_000)
    expect(Either.isRight(Either.flatMap(decode(artefact), describeModel))).toBe(true)
  })

  it("refuses parts that do not fit, and names them", () => {
    const model = randomModel(networks[1] as NetworkSpec)
    const refusal = (changed: Partial<typeof model>) => {
      try {
        emitNetwork({ ...model, ...changed })
      } catch (error) {
        expect(error).toBeInstanceOf(ArtefactInvalid)
        return (error as ArtefactInvalid).message
      }
      return expect.fail("it was emitted")
    }
    expect(refusal({ parameters: new Float32Array(3) })).toContain("the list of parameters has 3 values")
    expect(refusal({ parameters: Float32Array.from(model.parameters).fill(Number.NaN, 4, 5) })).toContain(
      "NaN"
    )
    expect(refusal({ featureNames: ["a"] })).toBe(
      "A network-mlp artefact cannot be made: its features are 1, not 6 x 3."
    )
    const { normalisation } = model
    expect(refusal({ normalisation: { ...normalisation, means: [1] } })).toContain("the list of means")
    expect(refusal({ normalisation: { ...normalisation, deviations: [1, 0, 1] } })).toContain("not positive")
    const classes: HeadSpec = { kind: "classification", classes: 3 }
    const network = { ...model.network, head: classes }
    expect(refusal(randomModel(network))).toContain("does not answer with one return")
    expect(refusal({ calibrator: { ...model.calibrator, slope: Number.NaN } })).toContain(
      "calibrator holds NaN"
    )
  })
})

describe("the normalisation", () => {
  it("brings every feature to mean 0 and deviation 1, and keeps what lies far out within bounds", () => {
    const random = keyedRandom("normalisation")
    const series = Float32Array.from({ length: 3_000 }, (_, i) => [5, 1e-3, 1][i % 3] as number).map(
      (scale) => Math.fround(scale * (3 + random.normal()))
    )
    const normalisation = fitNormalisation(series, 3)
    const x = normalise(series, normalisation, 3)
    for (let k = 0; k < 3; k++) {
      const column = x.filter((_, i) => i % 3 === k)
      const mean = column.reduce((sum, value) => sum + value, 0) / column.length
      const variance = column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / column.length
      expect(mean).toBeCloseTo(0, 4)
      expect(variance).toBeCloseTo(1, 4)
    }
    expect([...normalise(Float32Array.of(1e9, -1e9, 0), normalisation, 3)].slice(0, 2)).toEqual([10, -10])
  })

  it("leaves a constant at 0, though float32 cannot hold it", () => {
    const series = new Float32Array(1_000).fill(0.1)
    const normalisation = fitNormalisation(series, 1)
    expect(normalisation.deviations[0]).toBe(1)
    expect(Math.max(...normalise(series, normalisation, 1).map(Math.abs))).toBeLessThan(1e-6)
  })
})
