import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  addRow,
  fitRidge,
  type Moments,
  noMoments,
  squaredErrorOver
} from "../../../src/learning/evaluation/Ridge.ts"
import * as LeastSquares from "../../../src/learning/LeastSquares.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { refusalOf } from "./refusals.ts"

const inputs = 4
const outputs = 3

const rowsOf = (key: string, count: number): ReadonlyArray<Float64Array> => {
  const random = keyedRandom("ridge", key)
  return Array.from({ length: count }, () => {
    const common = random.normal()
    const x = Array.from({ length: inputs }, () => random.normal() + common)
    const y = Array.from({ length: outputs }, (_, o) => {
      const signal = x.reduce((sum, value, i) => sum + ((i + o) % 3) * value, 0)
      return 1 + o + signal + random.normal()
    })
    return Float64Array.of(...x, ...y)
  })
}

const momentsOf = (rows: ReadonlyArray<Float64Array>): Moments => {
  const moments = noMoments(inputs, outputs)
  for (const row of rows) Either.getOrThrow(addRow(moments, row))
  return moments
}

const fitOf = (rows: ReadonlyArray<Float64Array>, ridge: number) =>
  Either.getOrThrow(runThrough(fitRidge(momentsOf(rows), ridge)))

/** Sum of squared errors and penalty, from the rows themselves. */
const costOf = (
  rows: ReadonlyArray<Float64Array>,
  weights: Float64Array,
  intercepts: Float64Array,
  ridge: number
) => {
  let cost = ridge * weights.reduce((sum, weight) => sum + weight * weight, 0)
  for (const row of rows) {
    for (let o = 0; o < outputs; o++) {
      let said = intercepts[o] as number
      for (let i = 0; i < inputs; i++) said += (weights[i * outputs + o] as number) * (row[i] as number)
      cost += ((row[inputs + o] as number) - said) ** 2
    }
  }
  return cost
}

describe("Ridge", () => {
  it.each([0, 1, 50])("finds the least of what it minimises, with a ridge of %d", (ridge) => {
    const rows = rowsOf("least", 60)
    const { intercepts, weights } = fitOf(rows, ridge)
    const least = costOf(rows, weights, intercepts, ridge)
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: -0.5, max: 0.5 }), {
          minLength: (inputs + 1) * outputs,
          maxLength: (inputs + 1) * outputs
        }),
        (moves) => {
          const movedWeights = weights.map((weight, i) => weight + (moves[i] as number))
          const movedIntercepts = intercepts.map((one, i) => one + (moves[inputs * outputs + i] as number))
          expect(costOf(rows, movedWeights, movedIntercepts, ridge)).toBeGreaterThanOrEqual(least - 1e-9)
        }
      )
    )
  })

  it("fits each output as the regression of one output does", () => {
    const rows = rowsOf("one", 80)
    const { intercepts, weights } = fitOf(rows, 0)
    for (let o = 0; o < outputs; o++) {
      const one = LeastSquares.make(inputs)
      for (const row of rows) Either.getOrThrow(one.add(row.slice(0, inputs), row[inputs + o] as number))
      const expected = Either.getOrThrow(one.fit(0))
      let intercept = expected.intercept
      for (let i = 0; i < inputs; i++) {
        const slope = (expected.coefficients[i] as number) / (expected.deviations[i] as number)
        expect(weights[i * outputs + o]).toBeCloseTo(slope, 10)
        intercept -= slope * (expected.means[i] as number)
      }
      expect(intercepts[o]).toBeCloseTo(intercept, 10)
    }
  })

  it("knows the squared error of a fit on rows that it was not fitted to", () => {
    const fit = fitOf(rowsOf("seen", 40), 3)
    const others = rowsOf("others", 25)
    const expected = costOf(others, fit.weights, fit.intercepts, 0) / (25 * outputs)
    expect(runThrough(squaredErrorOver(momentsOf(others), fit))).toBeCloseTo(expected, 10)
    expect(() => runThrough(squaredErrorOver(noMoments(2, 3), fit))).toThrow("the fit is of 4 inputs")
  })

  it("leaves only the means where the ridge is beyond all measure", () => {
    const rows = rowsOf("vast", 30)
    const { intercepts, weights } = fitOf(rows, 1e15)
    expect(Math.max(...weights.map(Math.abs))).toBeLessThan(1e-9)
    const mean = rows.reduce((sum, row) => sum + (row[inputs] as number), 0) / 30
    expect(intercepts[0]).toBeCloseTo(mean, 9)
  })

  it("says when there is nothing to fit, and takes nothing of a row that it refuses", () => {
    expect(refusalOf(runThrough(fitRidge(noMoments(1, 1), 1)))).toContain(
      "on 0 rows: at least two are needed"
    )
    expect(refusalOf(runThrough(fitRidge(momentsOf(rowsOf("few", 3)), 0)))).toContain("collinear")
    expect(refusalOf(runThrough(fitRidge(momentsOf(rowsOf("few", 3)), -1)))).toContain("the ridge is -1")
    const moments = momentsOf(rowsOf("refused", 5))
    const before = { rows: moments.rows, sums: [...moments.sums], gram: [...moments.gram] }
    expect(refusalOf(addRow(moments, new Float64Array(7).fill(Number.NaN)))).toContain(
      "Row 6 is refused: u is NaN"
    )
    expect(refusalOf(addRow(moments, new Float64Array(6)))).toContain(
      "Row 6 is refused: u has 6 numbers, not 7"
    )
    expect({ rows: moments.rows, sums: [...moments.sums], gram: [...moments.gram] }).toEqual(before)
    expect(() => noMoments(0, 1)).toThrow("0 inputs")
    expect(() => noMoments(4_000, 1)).toThrow("4000 inputs and 1 outputs")
  })
})
