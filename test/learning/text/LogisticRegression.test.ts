import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { runThrough } from "../../../src/learning/steps.ts"
import { minimise } from "../../../src/learning/text/Lbfgs.ts"
import { fitLogistic, logitsOf, softmaxInPlace } from "../../../src/learning/text/LogisticRegression.ts"
import type { SparseRows } from "../../../src/learning/text/SparseRows.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const classes = 3
const columns = 4

const denseRows = (rows: ReadonlyArray<ReadonlyArray<number>>, width: number): SparseRows => ({
  columns: width,
  starts: Int32Array.from({ length: rows.length + 1 }, (_, i) => i * width),
  indices: Int32Array.from({ length: rows.length * width }, (_, i) => i % width),
  values: Float64Array.from(rows.flat())
})

const problem = (seed: number, count = 60) => {
  const random = keyedRandom("logistic", seed)
  const rows = Array.from({ length: count }, () => Array.from({ length: columns }, random.normal))
  const labels = rows.map((row) => {
    const scores = [row[0], row[1], 0].map((score) => (score as number) + random.normal())
    return scores.indexOf(Math.max(...scores))
  })
  return { rows: denseRows(rows, columns), labels }
}

/** The gradient of what is minimised, computed by finite differences of it. */
const lossOf = (rows: SparseRows, labels: ReadonlyArray<number>, penalty: number, point: Float64Array) => {
  const classifier = {
    coefficients: point.subarray(0, rows.columns * classes),
    intercepts: point.subarray(rows.columns * classes)
  }
  let loss = (penalty / 2) * classifier.coefficients.reduce((sum, weight) => sum + weight ** 2, 0)
  const row = new Float64Array(classes)
  labels.forEach((label, i) => {
    logitsOf(classifier, rows, i, row)
    softmaxInPlace(row)
    loss -= Math.log(row[label] as number)
  })
  return loss
}

describe("logistic regression", () => {
  it("ends where the function has no slope", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.constantFrom(0.1, 1, 10), (seed, penalty) => {
        const { labels, rows } = problem(seed)
        const { coefficients, intercepts } = runThrough(fitLogistic(rows, labels, { classes, penalty }))
        const point = Float64Array.from([...coefficients, ...intercepts])
        const step = 1e-5
        for (let i = 0; i < point.length; i++) {
          const at = (by: number) => {
            const moved = Float64Array.from(point)
            moved[i] = (moved[i] as number) + by
            return lossOf(rows, labels, penalty, moved)
          }
          expect(Math.abs(at(step) - at(-step)) / (2 * step)).toBeLessThan(2e-3)
        }
      }),
      { numRuns: 10 }
    )
  })

  it("says the shares of the classes where there is nothing else to go by", () => {
    const labels = [0, 1, 1, 1, 2, 2, 1, 1, 0, 1]
    const rows: SparseRows = {
      columns: 1,
      starts: new Int32Array(labels.length + 1),
      indices: new Int32Array(0),
      values: new Float64Array(0)
    }
    const fitted = runThrough(fitLogistic(rows, labels, { classes, penalty: 1 }))
    const shares = new Float64Array(classes)
    logitsOf(fitted, rows, 0, shares)
    softmaxInPlace(shares)
    expect(shares[0]).toBeCloseTo(0.2, 4)
    expect(shares[1]).toBeCloseTo(0.6, 4)
    expect(shares[2]).toBeCloseTo(0.2, 4)
  })

  it("gives the same from wherever it begins, and the same bits from the same place", () => {
    const { labels, rows } = problem(7)
    const fresh = runThrough(fitLogistic(rows, labels, { classes, penalty: 1 }))
    const start = runThrough(fitLogistic(rows, labels, { classes, penalty: 30 }))
    const warm = runThrough(fitLogistic(rows, labels, { classes, penalty: 1, start }))
    fresh.coefficients.forEach((weight, i) => {
      expect(weight).toBeCloseTo(warm.coefficients[i] as number, 3)
    })
    expect(runThrough(fitLogistic(rows, labels, { classes, penalty: 1 }))).toEqual(fresh)
  })

  it("has smaller coefficients under a larger penalty", () => {
    const { labels, rows } = problem(3)
    const sizes = [0.1, 1, 10, 100].map((penalty) =>
      runThrough(fitLogistic(rows, labels, { classes, penalty })).coefficients.reduce(
        (sum, w) => sum + w * w,
        0
      )
    )
    expect([...sizes].sort((a, b) => b - a)).toEqual(sizes)
  })

  it("refuses labels that name no class, penalties that are none, and lengths that do not fit", () => {
    const { labels, rows } = problem(1)
    const fitting = (own: ReadonlyArray<number>, penalty = 1) =>
      runThrough(fitLogistic(rows, own, { classes, penalty }))
    expect(() => fitting(labels.map(() => 3))).toThrow(RangeError)
    expect(() => fitting(labels.map(() => Number.NaN))).toThrow(RangeError)
    expect(() => fitting(labels, 0)).toThrow(RangeError)
    expect(() => fitting(labels.slice(1))).toThrow(RangeError)
  })
})

describe("L-BFGS", () => {
  it("finds the least of a badly scaled quadratic, and never rises on the way", () => {
    const scales = [1, 100, 10_000]
    const seen: Array<number> = []
    const minimum = runThrough(
      minimise(
        {
          *evaluate(point, gradient) {
            yield
            let value = 0
            scales.forEach((scale, i) => {
              const from = (point[i] as number) - i
              value += (scale / 2) * from * from
              gradient[i] = scale * from
            })
            seen.push(value)
            return value
          }
        },
        new Float64Array([5, 5, 5]),
        { iterationsMax: 200, gradientMax: 1e-8 }
      )
    )
    expect(minimum.converged).toBe(true)
    expect([...minimum.point].map((part) => Math.round(part * 1e6) / 1e6)).toEqual([0, 1, 2])
    expect(minimum.value).toBeLessThan(seen[0] as number)
  })

  it("refuses a function that is no number where it begins", () => {
    const evaluate = function* () {
      yield
      return Number.NaN
    }
    const run = () =>
      runThrough(minimise({ evaluate }, new Float64Array(1), { iterationsMax: 1, gradientMax: 1 }))
    expect(run).toThrow(RangeError)
  })
})
