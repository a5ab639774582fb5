import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import {
  applyScaling,
  type FeatureMatrix,
  fitScaling,
  observationLimit
} from "../../../src/market/environment/Scaling.ts"

const matrixOf = (rows: ReadonlyArray<ReadonlyArray<number>>, first = 0): FeatureMatrix => ({
  names: (rows[0] ?? []).map((_, i) => `f${i}`),
  values: Float32Array.from(rows.flat()),
  first
})
const value = fc.double({ min: -1_000, max: 1_000, noNaN: true })
const rows = fc.array(fc.tuple(value, value, value), { minLength: 3, maxLength: 30 })
const scalingOf = (matrix: FeatureMatrix, first: number, end: number) =>
  Either.getOrThrow(fitScaling([{ matrix, range: { first, end } }]))

describe("a scaling", () => {
  it("makes the training range of mean 0 and deviation 1", () => {
    fc.assert(
      fc.property(rows, (rows) => {
        const matrix = matrixOf(rows)
        const scaling = scalingOf(matrix, 0, rows.length)
        const scaled = applyScaling(matrix, scaling).values
        for (let column = 0; column < 3; column++) {
          if (scaling.deviations[column] === 1) continue
          const values = rows.map((_, row) => scaled[row * 3 + column] as number)
          const mean = values.reduce((sum, x) => sum + x, 0) / values.length
          const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
          expect(mean).toBeCloseTo(0, 4)
          expect(variance).toBeCloseTo(1, 3)
        }
      })
    )
  })

  it("knows nothing of the bars outside its range", () => {
    fc.assert(
      fc.property(rows, rows, (inside, outside) => {
        const alone = scalingOf(matrixOf(inside), 0, inside.length)
        const among = matrixOf([...outside, ...inside, ...outside])
        expect(scalingOf(among, outside.length, outside.length + inside.length)).toEqual(alone)
      })
    )
  })

  it("of several parts is that of all their bars", () => {
    fc.assert(
      fc.property(rows, rows, (a, b) => {
        const parts = [a, b].map((rows) => ({
          matrix: matrixOf(rows),
          range: { first: 0, end: rows.length }
        }))
        const together = Either.getOrThrow(fitScaling(parts))
        const joined = scalingOf(matrixOf([...a, ...b]), 0, a.length + b.length)
        for (let column = 0; column < 3; column++) {
          expect(together.means[column]).toBeCloseTo(joined.means[column] as number, 8)
          expect(together.deviations[column]).toBeCloseTo(joined.deviations[column] as number, 8)
        }
      })
    )
  })

  it("leaves a constant its distance, cuts off what lies far out, and the bars without features alone", () => {
    const matrix = matrixOf(
      [
        [5, 7],
        [0.1, 7],
        [0.1, 9],
        [0.1, 1e6]
      ],
      1
    )
    const scaling = scalingOf(matrix, 1, 3)
    expect(scaling.means[0]).toBeCloseTo(0.1, 6)
    expect(scaling).toMatchObject({ means: [expect.any(Number), 8], deviations: [1, 1] })
    expect([...applyScaling(matrix, scaling).values]).toEqual([0, 0, 0, -1, 0, 1, 0, observationLimit])
    expect(Either.isRight(fitScaling([{ matrix: matrixOf([[], []]), range: { first: 0, end: 2 } }]))).toBe(
      true
    )
  })

  it("is refused without bars, with numbers that are not finite, or of features that do not fit", () => {
    const reasonOf = (...parts: Parameters<typeof fitScaling>[0]) =>
      Either.getOrThrow(Either.flip(fitScaling(parts))).message
    const matrix = matrixOf([[1], [2], [Number.NaN], [4]])
    expect(reasonOf()).toContain("there are none")
    expect(reasonOf({ matrix, range: { first: 0, end: 4 } })).toContain("f0 of bar 2 is NaN")
    expect(reasonOf({ matrix, range: { first: 1, end: 1 } })).toContain("no range")
    expect(reasonOf({ matrix, range: { first: 0, end: 5 } })).toContain("no range")
    expect(reasonOf({ matrix: { ...matrix, first: 1 }, range: { first: 0, end: 2 } })).toContain("no range")
    const other = { matrix: matrixOf([[1, 2]]), range: { first: 0, end: 1 } }
    expect(reasonOf({ matrix, range: { first: 0, end: 2 } }, other)).toContain("1 of them")
    expect(() => applyScaling(matrix, { means: [0, 0], deviations: [1, 1] })).toThrow(RangeError)
  })
})
