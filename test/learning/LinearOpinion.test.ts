import { describe, expect, it } from "vitest"
import { ArtefactInvalid } from "../../src/learning/errors.ts"
import { emitLinear, evaluateLinear } from "../../src/learning/LinearOpinion.ts"
import type { ArtefactLabels } from "../../src/learning/OpinionModel.ts"
import { type KeyedRandom, keyedRandom } from "../../src/protocols/wire/KeyedRandom.ts"
import { askOnnx, expectClose, randomCalibrator, randomRows } from "./opinions.ts"

const randomModel = (random: KeyedRandom, features: number) => {
  const vector = (draw: () => number) => Float64Array.from({ length: features }, draw)
  const labels: ArtefactLabels = {
    featureNames: Array.from({ length: features }, (_, i) => `feature-${i}`),
    featureSchemaVersion: 1
  }
  return {
    means: vector(random.normal),
    deviations: vector(() => 0.5 + random.next()),
    coefficients: vector(() => (random.int(2) - 0.5) * (0.5 + random.next())),
    intercept: random.normal() / 4,
    calibrator: randomCalibrator(random),
    ...labels
  }
}

describe("LinearOpinion", () => {
  it("answers in onnxruntime as its reference does", async () => {
    for (const features of [1, 2, 11, 64]) {
      const random = keyedRandom("linear", features)
      const model = randomModel(random, features)
      const rows = randomRows(random, 200, features)
      const expected = rows.map((row) => evaluateLinear(model, row.features, row))
      expectClose(await askOnnx(emitLinear(model), rows), expected)
      // Without both of these the clipping of scores would not have been looked at.
      expect(expected.some((one) => Math.abs(one.score) > model.calibrator.scoreMax)).toBe(true)
      expect(expected.some((one) => Math.abs(one.score) < model.calibrator.scoreMax)).toBe(true)
    }
  })

  it("computes what its documentation says", () => {
    const model = { ...randomModel(keyedRandom("by hand"), 2), intercept: 0.1 }
    model.means.set([1, 2])
    model.deviations.set([2, 4])
    model.coefficients.set([0.5, -1])
    const calibrator = { ...model.calibrator, scoreMax: 10, slope: 0.5, residualDeviation: 2 }
    const opinion = evaluateLinear({ ...model, calibrator }, [3, 4], { sigma: 0.01, band: 0.005 })
    expect(opinion.score).toBeCloseTo(0.1 + 0.5 * 1 - 1 * 0.5, 12)
    expect(opinion.expectedReturn).toBeCloseTo(0.5 * 0.1 * 0.01, 12)
    expect(opinion.spread).toBeCloseTo(0.02, 12)
  })

  it("answers a question without volatility", async () => {
    const random = keyedRandom("still")
    const model = randomModel(random, 3)
    const rows = randomRows(random, 4, 3).map((row) => ({ ...row, sigma: 0 }))
    const answers = await askOnnx(emitLinear(model), rows)
    expectClose(
      answers,
      rows.map((row) => evaluateLinear(model, row.features, row))
    )
    for (const answer of answers) expect([answer.expectedReturn, answer.spread].map(Math.abs)).toEqual([0, 0])
  })

  it("gives equal bytes for equal parts and other bytes for others", () => {
    const make = () => randomModel(keyedRandom("bytes"), 11)
    expect(emitLinear(make())).toEqual(emitLinear(make()))
    expect(emitLinear({ ...make(), intercept: 7 })).not.toEqual(emitLinear(make()))
    expect(emitLinear(make()).length).toBeLessThan(4_096)
  })

  it("refuses parts that do not fit, and names them", () => {
    const model = randomModel(keyedRandom("refused"), 3)
    const refusal = (changed: Partial<typeof model>) => {
      try {
        emitLinear({ ...model, ...changed })
      } catch (error) {
        expect(error).toBeInstanceOf(ArtefactInvalid)
        return (error as ArtefactInvalid).message
      }
      return expect.fail("it was emitted")
    }
    expect(refusal({ means: new Float64Array(2) })).toBe(
      "A linear artefact cannot be made: the list of means has 2 values instead of 3."
    )
    expect(refusal({ coefficients: Float64Array.of(1, Number.NaN, 1) })).toContain("coefficients holds NaN")
    expect(refusal({ intercept: 1e300 })).toContain("intercept holds 1e+300")
    expect(refusal({ deviations: Float64Array.of(1, 0, 1) })).toContain("not positive")
    expect(refusal({ calibrator: { ...model.calibrator, slope: Number.NaN } })).toContain(
      "calibrator holds NaN"
    )
    expect(refusal({ metadata: { "conclave.kind": "x" } })).toContain("taken key")
  })
})
