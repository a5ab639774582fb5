import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import type { FeatureMatrix } from "../../../src/market/features/FeatureMatrix.ts"
import {
  clipDefault,
  FeatureScaling,
  fitFeatureScaling,
  scaleMatrix,
  scaleVector
} from "../../../src/market/features/FeatureScaling.ts"
import type { FeatureVector } from "../../../src/market/features/FeatureValue.ts"

const names = ["a", "b", "c"]
const matrixOf = (rows: ReadonlyArray<ReadonlyArray<number>>): FeatureMatrix => ({
  schema: { version: 1, names },
  names,
  asOf: Float64Array.from(rows, (_, i) => i),
  matrix: Float32Array.from(rows.flat()),
  validFrom: 0
})

const rows = fc.array(
  fc.tuple(
    ...names.map(() => fc.oneof(fc.constant(Number.NaN), fc.float({ min: -1_000, max: 1_000, noNaN: true })))
  ),
  { minLength: 4, maxLength: 30 }
)

describe("a scaling", () => {
  it("has mean and population deviation of what is there in the range", () => {
    const matrix = matrixOf([
      [1, 5, Number.NaN],
      [3, 5, Number.NaN],
      [Number.NaN, 5, Number.NaN],
      [900, 900, 900]
    ])
    const scaling = fitFeatureScaling(matrix, { from: 0, to: 3 })
    expect(scaling).toMatchObject({
      means: [2, 5, 0],
      deviations: [1, 1, 1],
      clips: Array(3).fill(clipDefault)
    })
    expect([...scaleMatrix(matrix, scaling)]).toEqual([-1, 0, 0, 1, 0, 0, 0, 0, 0, 10, 10, 10])
  })

  it("is moved by nothing outside its range", () => {
    fc.assert(
      fc.property(rows, fc.float({ noNaN: true }), (all, other) => {
        const range = { from: 1, to: 3 }
        const changed = all.map((row, i) => (i >= 1 && i < 3 ? row : row.map(() => other)))
        expect(fitFeatureScaling(matrixOf(changed), range)).toEqual(fitFeatureScaling(matrixOf(all), range))
      })
    )
  })

  it("leaves nothing that is not finite, and nothing beyond its clips", () => {
    fc.assert(
      fc.property(rows, (all) => {
        const matrix = matrixOf(all)
        const scaling = fitFeatureScaling(matrix, { from: 0, to: 2, clips: { b: 3 } })
        const scaled = scaleMatrix(matrix, scaling)
        for (const [i, value] of scaled.entries()) {
          expect(Math.abs(value)).toBeLessThanOrEqual(scaling.clips[i % 3] as number)
        }
        all.forEach((values, row) => {
          const vector: FeatureVector = {
            asOf: row,
            values: values.map((one) => (Number.isNaN(one) ? "no-source" : one))
          }
          expect(scaleVector(vector, scaling)).toEqual(scaled.subarray(row * 3, row * 3 + 3))
        })
      })
    )
  })

  it("is plain data that goes into an artefact and comes back", () => {
    const scaling = fitFeatureScaling(matrixOf([[1, 2, 3]]), { from: 0, to: 1 })
    const decode = Schema.decodeUnknownSync(FeatureScaling)
    expect(decode(JSON.parse(JSON.stringify(scaling)))).toEqual(scaling)
    expect(() => decode({ ...scaling, deviations: [0, 1, 1] })).toThrow()
  })

  it("refuses ranges without rows, features of another schema, and vectors of another width", () => {
    const matrix = matrixOf([[1, 2, 3]])
    expect(() => fitFeatureScaling(matrix, { from: 1, to: 1 })).toThrow("cannot be fitted")
    expect(() => fitFeatureScaling(matrix, { from: 0, to: 2 })).toThrow("cannot be fitted")
    const scaling = fitFeatureScaling(matrix, { from: 0, to: 1 })
    expect(() => scaleMatrix({ ...matrix, schema: { version: 2, names } }, scaling)).toThrow("does not fit")
    expect(() => scaleVector({ asOf: 0, values: [1] }, scaling)).toThrow("3 are expected")
  })
})
