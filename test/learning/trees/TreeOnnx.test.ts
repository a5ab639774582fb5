import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decode, encode } from "../../../src/learning/onnx/OnnxFile.ts"
import {
  marginsOf,
  probabilitiesOf,
  type Rows,
  type TreeEnsemble
} from "../../../src/learning/trees/TreeEnsemble.ts"
import { treeMetadataKeys, treesToOnnx } from "../../../src/learning/trees/TreeOnnx.ts"
import { readXgboost } from "../../../src/learning/trees/XgboostFile.ts"
import { type Dense, runOnnx } from "../onnx/runOnnx.ts"
import { anyEnsemble, ensemble } from "./forests.ts"
import { distance, models, valuesOf } from "./xgboostModels.ts"

const run = async (trees: TreeEnsemble, rows: Rows) => {
  const dims = [rows.length / trees.features, trees.features]
  const outputs = await runOnnx(encode(treesToOnnx(trees)), { features: { dims, values: Array.from(rows) } })
  return (name: string): Dense => {
    const output = outputs[name]
    if (output === undefined) throw new Error(`no output ${name}`)
    return output
  }
}

describe("treesToOnnx", () => {
  it.each(models.map((one) => [one.name, one] as const))("computes %s as the trees do", async (_, one) => {
    const trees = Either.getOrThrow(readXgboost(one.ubj))
    const rows = valuesOf(one.expected.rows)
    const margins = marginsOf(trees, rows)
    const output = await run(trees, rows)
    const count = one.expected.rows.length
    expect(output("margins").dims).toEqual([count, trees.outputs])
    expect(distance(output("margins").values, margins)).toBeLessThan(1e-6)
    if (trees.link === "identity") {
      expect(output("prediction")).toEqual(output("margins"))
      return
    }
    const probabilities = probabilitiesOf(trees, margins)
    expect(output("probabilities").dims).toEqual([count, probabilities.length / count])
    expect(distance(output("probabilities").values, probabilities)).toBeLessThan(2e-7)
  })

  it("comes to the same leaves where values are missing or meet thresholds exactly", async () => {
    await fc.assert(
      fc.asyncProperty(anyEnsemble(3, 4), async ({ ensemble: trees, rows }) => {
        const output = await run(trees, rows)
        expect(distance(output("margins").values, marginsOf(trees, rows))).toBeLessThan(2e-5)
      }),
      { numRuns: 150 }
    )
  })

  it("keeps the relative precision of small probabilities on both sides, and has none that is no number", async () => {
    const margins = [-80, -20, -1, 0, 1, 20, 80, -500, 500]
    for (const margin of margins) {
      const trees = ensemble([{ value: margin }], { features: 1, link: "logistic" })
      const [p0, p1] = (await run(trees, [0]))("probabilities").values as [number, number]
      const [e0, e1] = probabilitiesOf(trees, Float64Array.of(margin)) as unknown as [number, number]
      // Below the least float32 of full precision there is nothing to keep.
      expect(Math.abs(p0 - e0)).toBeLessThanOrEqual(1e-6 * e0 + 1e-38)
      expect(Math.abs(p1 - e1)).toBeLessThanOrEqual(1e-6 * e1 + 1e-38)
    }
  })

  it("writes equal bytes for equal trees, which the reader of the project takes back", () => {
    for (const { json, ubj } of models) {
      const model = treesToOnnx(Either.getOrThrow(readXgboost(json)), { author: "somebody" })
      const bytes = encode(model)
      expect(encode(treesToOnnx(Either.getOrThrow(readXgboost(ubj)), { author: "somebody" }))).toEqual(bytes)
      expect(Either.getOrThrow(decode(bytes))).toEqual(model)
    }
  })

  it("says what it is, and keeps its own keys", () => {
    const trees = ensemble([{ value: 1 }], { features: 1, link: "logistic" })
    const { metadata } = treesToOnnx({ ...trees, featureNames: ["level"] }, { data: "2015-2017" })
    expect(Object.fromEntries(metadata)).toEqual({
      data: "2015-2017",
      [treeMetadataKeys.kind]: "trees",
      [treeMetadataKeys.link]: "logistic",
      [treeMetadataKeys.featureNames]: '["level"]'
    })
    expect(() => treesToOnnx(trees, { "conclave.kind": "other" })).toThrow('"conclave.kind" is taken')
  })
})
