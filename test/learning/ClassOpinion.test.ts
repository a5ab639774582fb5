import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type ClassScore,
  classNamesKey,
  classOutput,
  classWeights,
  describeClasses,
  evaluateClasses,
  fitClassValues
} from "../../src/learning/ClassOpinion.ts"
import { ArtefactInvalid } from "../../src/learning/errors.ts"
import { interpret } from "../../src/learning/graph/interpret.ts"
import { ndArray } from "../../src/learning/graph/NdArray.ts"
import * as ops from "../../src/learning/graph/ops.ts"
import { servingBuilder } from "../../src/learning/graph/Parameters.ts"
import { emitClassNetwork, networkManifest, normalisedMax } from "../../src/learning/NetworkOpinion.ts"
import type { NetworkSpec } from "../../src/learning/networks/NetworkSpec.ts"
import { networkOf } from "../../src/learning/networks/network.ts"
import { describe as describeModel, evaluateScore } from "../../src/learning/OpinionModel.ts"
import { decode } from "../../src/learning/onnx/OnnxFile.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { runOnnx } from "./onnx/runOnnx.ts"
import { askOnnx, expectClose, type Row, randomCalibrator, randomRows } from "./opinions.ts"

const names = ["doji", "hammer", "none"]
const network: NetworkSpec = {
  length: 6,
  features: 3,
  body: { kind: "cnn", filters: [4, 3], kernel: 3, pool: 1, dropout: 0.1 },
  head: { kind: "classification", classes: names.length }
}
const random = keyedRandom("class opinion")
const classes: ClassScore = { names, values: [0.3, -0.2, 0.05], weights: [2, 0.5, 0.75] }
const model = {
  network,
  parameters: Float32Array.from({ length: networkManifest(network).size }, () => random.normal() / 2),
  normalisation: {
    means: Float64Array.from({ length: 3 }, random.normal),
    deviations: Float64Array.from({ length: 3 }, () => 0.5 + random.next())
  },
  classes,
  calibrator: randomCalibrator(random),
  featureNames: Array.from({ length: 18 }, (_, i) => `feature-${i}`),
  featureSchemaVersion: 1
}

/** Probabilities of the classes in float64, one row. */
const reference = (row: Row): Float64Array => {
  const x = ops.input("x", [1, network.length, network.features])
  const output = networkOf(network)(servingBuilder(networkManifest(network), model.parameters), x)
  const values = Float64Array.from(row.features, (value, i) => {
    const { deviations, means } = model.normalisation
    const scaled = (value - (means[i % 3] as number)) / (deviations[i % 3] as number)
    return Math.min(normalisedMax, Math.max(-normalisedMax, scaled))
  })
  const [result] = interpret([output], new Map([[x, ndArray([1, 6, 3], values)]]))
  // Softmax of the logits over the weights that the classes bore.
  const shares = names.map((_, k) => Math.exp(result?.data[k] as number) / (classes.weights[k] as number))
  const total = shares.reduce((sum, share) => sum + share, 0)
  return Float64Array.from(shares, (share) => share / total)
}

describe("the opinion of a classifier", () => {
  const rows = randomRows(random, 40, 18).map((row, i) =>
    i % 8 === 0 ? { ...row, features: row.features.map((value) => value * 100) } : row
  )
  const artefact = emitClassNetwork(model)

  it("is in onnxruntime what its reference is in float64, and so are its classes", async () => {
    const expected = rows.map((row) =>
      evaluateScore(model.calibrator, evaluateClasses(classes, reference(row)), row)
    )
    expectClose(await askOnnx(artefact, rows), expected)
    expect(new Set(expected.map(({ score }) => score)).size).toBeGreaterThan(rows.length / 2)
    const out = await runOnnx(artefact, {
      features: { dims: [rows.length, 18], values: rows.flatMap((row) => [...row.features]) },
      sigma: { dims: [rows.length, 1], values: rows.map((row) => row.sigma) },
      band: { dims: [rows.length, 1], values: rows.map((row) => row.band) }
    })
    expect(out[classOutput]?.dims).toEqual([rows.length, names.length])
    rows.forEach((row, i) => {
      reference(row).forEach((share, k) => {
        expect(Math.abs((out[classOutput]?.values[i * names.length + k] as number) - share)).toBeLessThan(
          1e-5
        )
      })
    })
  })

  it("names its classes in its metadata, and has the interface of every opinion model", () => {
    const proto = Either.getOrThrow(decode(artefact))
    expect(Either.getOrThrow(describeModel(proto)).kind).toBe("network-cnn")
    expect(Either.getOrThrow(describeClasses(proto))).toEqual(names)
    expect(emitClassNetwork(model)).toEqual(artefact)
    const metadata = (text: string) => ({
      ...proto,
      metadata: new Map([...proto.metadata, [classNamesKey, text]])
    })
    for (const text of ['["one"]', "[]", "none", '["a",""]']) {
      expect(Either.isLeft(describeClasses(metadata(text)))).toBe(true)
    }
    const without = new Map([...proto.metadata].filter(([key]) => key !== classNamesKey))
    expect(Either.getOrThrow(describeClasses({ ...proto, metadata: without }))).toBeUndefined()
    const outputs = proto.graph.outputs.filter(({ name }) => name !== classOutput)
    expect(Either.isLeft(describeClasses({ ...proto, graph: { ...proto.graph, outputs } }))).toBe(true)
  })

  it("refuses parts that do not fit", () => {
    for (const changed of [
      { classes: { ...classes, values: [1, 2] } },
      { classes: { ...classes, values: [1, 2, Number.NaN] } },
      { classes: { ...classes, weights: [1, 0, 1] } },
      { classes: { ...classes, names: ["a", "b"] } },
      { classes: { ...classes, names: ["a", "b", "a"] } },
      { network: { ...network, head: { kind: "regression", outputs: 3 } as const } }
    ]) {
      expect(() => emitClassNetwork({ ...model, ...changed })).toThrow(ArtefactInvalid)
    }
  })
})

describe("what a class is worth", () => {
  const valuesOf = (label: ReadonlyArray<number>, z: ReadonlyArray<number>, ridgeRows = 10) =>
    fitClassValues({ label, z }, { classes: 4, ridgeRows })

  it("is the mean return of its rows, shrunk the more the fewer there are", () => {
    const label = [...Array(90).fill(0), 1, 1, 2]
    const z = [...Array(90).fill(0.5), 3, 1, -11]
    expect([...Either.getOrThrow(valuesOf(label, z))]).toEqual([45 / 100, 4 / 12, -1, 0])
  })

  it("is the ridge regression of the returns on the indicators of the classes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.double({ min: -5, max: 5, noNaN: true })), { minLength: 1 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        (rows, ridge) => {
          const values = Either.getOrThrow(
            valuesOf(
              rows.map(([k]) => k),
              rows.map(([, z]) => z),
              ridge
            )
          )
          // The gradient of sum (z - v_k)^2 + ridge |v|^2 is 0.
          values.forEach((value, k) => {
            const residual = rows.reduce((sum, [of, z]) => sum + (of === k ? z - value : 0), 0)
            expect(residual).toBeCloseTo(ridge * value, 8)
          })
        }
      )
    )
  })

  it("is refused where a row names no class or has no return", () => {
    expect(Either.isLeft(valuesOf([4], [0]))).toBe(true)
    expect(Either.isLeft(valuesOf([0, 0.5], [0, 0]))).toBe(true)
    expect(Either.getOrThrow(Either.flip(valuesOf([0, 1], [0, Number.NaN])))).toMatchObject({
      row: 2,
      column: "z"
    })
  })
})

describe("the weights of classes", () => {
  it("are inverse to how frequent they are, bounded, and 1 on average over the rows", () => {
    const label = [...Array(80).fill(0), ...Array(16).fill(1), ...Array(4).fill(2)]
    const weights = classWeights(label, { classes: 4, ratioMax: 10 })
    expect((weights[1] as number) / (weights[0] as number)).toBeCloseTo(5, 12)
    expect((weights[2] as number) / (weights[0] as number)).toBeCloseTo(10, 12)
    // It never was: the largest there is.
    expect(weights[3]).toBe(weights[2])
    expect(label.reduce((sum, k) => sum + (weights[k] as number), 0)).toBeCloseTo(100, 10)
  })

  it("are positive, in bounds and of mean 1 whatever the classes are", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 200 }), (label) => {
        const weights = classWeights(label, { classes: 6, ratioMax: 4 })
        const [least, most] = [Math.min(...weights), Math.max(...weights)]
        expect(least).toBeGreaterThan(0)
        expect(most / least).toBeLessThanOrEqual(4 + 1e-9)
        expect(label.reduce((sum, k) => sum + (weights[k] as number), 0) / label.length).toBeCloseTo(1, 10)
      })
    )
  })
})
