import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Scoring from "../../../src/learning/evaluation/Scoring.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const distribution = fc
  .array(fc.double({ noNaN: true, min: 0.001, max: 1 }), { minLength: 3, maxLength: 3 })
  .map((weights) => weights.map((weight) => weight / weights.reduce((sum, one) => sum + one, 0)))

const expected = (rule: typeof Scoring.logLoss, truth: ReadonlyArray<number>, told: ReadonlyArray<number>) =>
  truth.reduce((sum, p, label) => sum + p * rule(told, label), 0)

describe("Scoring", () => {
  it("gives the losses of the books", () => {
    expect(Scoring.logLoss([0.2, 0.3, 0.5], 2)).toBeCloseTo(Math.LN2, 12)
    expect(Scoring.surprise(0.5)).toBeCloseTo(Math.LN2, 12)
    expect(Scoring.brier([0.2, 0.3, 0.5], 2)).toBeCloseTo(0.04 + 0.09 + 0.25, 12)
    expect(Scoring.brier([1, 0, 0], 0)).toBe(0)
    expect(Scoring.brier([1, 0, 0], 1)).toBe(2)
    expect(Scoring.pinball(0.9, 10, 12)).toBeCloseTo(1.8, 12)
    expect(Scoring.pinball(0.9, 12, 10)).toBeCloseTo(0.2, 12)
    expect(Scoring.pinball(0.5, 1, 4)).toBe(1.5)
    expect(Scoring.mean([1, 2, 6])).toBe(3)
  })

  it("rewards nobody for saying anything but what they believe", () => {
    for (const rule of [Scoring.logLoss, Scoring.brier]) {
      fc.assert(
        fc.property(distribution, distribution, (truth, told) => {
          expect(expected(rule, truth, told)).toBeGreaterThanOrEqual(expected(rule, truth, truth) - 1e-12)
        })
      )
    }
  })

  it("makes the quantile of the level the best number to name", () => {
    const random = keyedRandom("pinball")
    const values = Float64Array.from({ length: 99 }, () => random.normal()).sort()
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 98 }),
        fc.double({ noNaN: true, min: -4, max: 4 }),
        (rank, other) => {
          const level = (rank + 0.5) / 99
          const cost = (named: number) =>
            Scoring.mean(values.map((value) => Scoring.pinball(level, named, value)))
          expect(cost(other)).toBeGreaterThanOrEqual(cost(values[rank] as number) - 1e-12)
        }
      )
    )
  })

  it("charges a finite price for being certain and wrong", () => {
    expect(Scoring.logLoss([1, 0, 0], 2)).toBe(-Math.log(Scoring.probabilityFloor))
    expect(Math.abs(Scoring.logLoss([1, 0, 0], 0))).toBe(0)
  })
})
