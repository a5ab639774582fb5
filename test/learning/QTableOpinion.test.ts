import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ArtefactInvalid } from "../../src/learning/errors.ts"
import { discretise, emitQTable, evaluateQTable, marketStates } from "../../src/learning/QTableOpinion.ts"
import { keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, expectClose, randomCalibrator, randomRows } from "./opinions.ts"

const thresholds = [[-0.5, 0, 0.5], [], [0.1], [-1, 1]]
const featureNames = ["a", "b", "c", "d"]

const randomModel = (key: string, positions?: { readonly count: number; readonly flat: number }) => {
  const random = keyedRandom("q-table", key)
  const rows = marketStates(thresholds) * (positions?.count ?? 1)
  return {
    thresholds,
    q: Float64Array.from({ length: rows * 3 }, random.normal),
    calibrator: randomCalibrator(random),
    featureNames,
    featureSchemaVersion: 1,
    ...(positions === undefined ? {} : { positions })
  }
}

describe("QTableOpinion", () => {
  it("answers in onnxruntime as its reference does, with and without positions", async () => {
    for (const positions of [undefined, { count: 3, flat: 1 }]) {
      const model = randomModel("reference", positions)
      const rows = randomRows(keyedRandom("q rows"), 300, 4)
      const seen = new Set(rows.map((row) => discretise(thresholds, row.features)))
      expect(seen.size).toBe(marketStates(thresholds))
      expectClose(
        await askOnnx(emitQTable(model), rows),
        rows.map((row) => evaluateQTable(model, row.features, row))
      )
    }
  })

  it("agrees with the graph about the state on the very edges", async () => {
    const model = randomModel("edges")
    const below = (x: number) => Math.fround(x) - 2 ** -26
    const edges = [0.1, below(0.1), Math.fround(0.1)]
    const rows = edges.map((edge) => ({
      features: Float32Array.of(-0.5, 9, edge, 1),
      sigma: 0.01,
      band: 0.01
    }))
    const expected = edges.map((edge) =>
      evaluateQTable(model, [-0.5, 9, edge, 1], { sigma: 0.01, band: 0.01 })
    )
    expectClose(await askOnnx(emitQTable(model), rows), expected)
    expect(discretise(thresholds, [0, 0, 0.1, 0])).toBe(discretise(thresholds, Float32Array.of(0, 0, 0.1, 0)))
    expect(discretise(thresholds, [0, 0, below(0.1), 0])).not.toBe(discretise(thresholds, [0, 0, 0.1, 0]))
  })

  it("numbers states by how many thresholds each feature has reached, the last fastest", () => {
    expect(marketStates(thresholds)).toBe(4 * 1 * 2 * 3)
    expect(discretise(thresholds, [-9, 0, -9, -9])).toBe(0)
    expect(discretise(thresholds, [-9, 0, -9, 0])).toBe(1)
    expect(discretise(thresholds, [-9, 0, 9, -9])).toBe(3)
    expect(discretise(thresholds, [-0.5, 0, -9, -9])).toBe(6)
    expect(discretise(thresholds, [9, 0, 9, 9])).toBe(23)
  })

  it("numbers every state within the table, whatever the features", () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { minLength: 4, maxLength: 4 }), (features) => {
        const state = discretise(thresholds, features)
        expect(Number.isInteger(state) && state >= 0 && state < marketStates(thresholds)).toBe(true)
      })
    )
  })

  it("takes the score at the flat position", () => {
    const model = randomModel("flat", { count: 3, flat: 2 })
    const state = discretise(thresholds, [0.2, 0, 0.3, 0.4])
    const row = (state * 3 + 2) * 3
    const { score } = evaluateQTable(model, [0.2, 0, 0.3, 0.4], { sigma: 0.01, band: 0.01 })
    expect(score).toBe((model.q[row + 2] as number) - (model.q[row] as number))
  })

  it("gives equal bytes for equal parts and other bytes for others", () => {
    expect(emitQTable(randomModel("bytes"))).toEqual(emitQTable(randomModel("bytes")))
    expect(emitQTable(randomModel("bytes"))).not.toEqual(emitQTable(randomModel("other")))
  })

  it("refuses parts that do not fit, and names them", () => {
    const model = randomModel("refused")
    const refusal = (changed: Partial<Parameters<typeof emitQTable>[0]>) => {
      try {
        emitQTable({ ...model, ...changed })
      } catch (error) {
        expect(error).toBeInstanceOf(ArtefactInvalid)
        return (error as ArtefactInvalid).message
      }
      return expect.fail("it was emitted")
    }
    expect(refusal({ q: new Float64Array(5) })).toContain("the table has 5 values instead of 72")
    expect(refusal({ q: model.q.map(() => Number.NaN) })).toContain("the table holds NaN")
    expect(refusal({ thresholds: thresholds.slice(1) })).toContain("3 features instead of 4")
    expect(refusal({ thresholds: [[0, 0], [], [0.1], [-1, 1]] })).toContain('"a" does not rise')
    expect(refusal({ thresholds: [[1, 1 + 1e-12], [], [0.1], [-1, 1]] })).toContain('"a" does not rise')
    expect(refusal({ thresholds: [[], [], [], []] })).toContain("no states apart")
    expect(refusal({ positions: { count: 3, flat: 3 } })).toContain("cannot be 3 of which 3 is flat")
  })
})
