import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import {
  calibrate,
  forecastsOf,
  type HeldOutReport,
  judgeHeldOut,
  linearBaseline,
  ratesOf,
  staying
} from "../../../src/agents/training/HeldOut.ts"
import type { QuestionRows } from "../../../src/agents/training/QuestionRows.ts"
import { makeTrainingSet } from "../../../src/agents/training/TrainingSet.ts"
import { verdictsOf } from "../../../src/cli/report/comparisons.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import type { WorldName } from "../../../src/market/worlds.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { costs, simulatedSeries } from "./bars.ts"

const input = { kind: "sequence", features: "returns", length: 4 } as const
const horizonBars = 4
const overlap = 2 * horizonBars

const world = (name: WorldName) => {
  const series = simulatedSeries({ bars: 6_000, instruments: 2, world: name, seed: 1 })
  return Either.getOrThrow(runThrough(makeTrainingSet(series, { path: "x", input, horizonBars, costs })))
}
const edge = world("momentum")
const efficient = world("efficient")

const judged = (set: typeof edge, scoresOf: (rows: QuestionRows) => Float64Array) => {
  const calibrator = Either.getOrThrow(runThrough(calibrate(scoresOf(set.validation), set.validation)))
  const linear = Either.getOrThrow(runThrough(linearBaseline(set, { lags: 8, ridge: 10 })))
  const rates = Either.getOrThrow(ratesOf(set.training, set.validation))
  return Either.getOrThrow(
    runThrough(
      judgeHeldOut(
        set.heldOut,
        { ...forecastsOf(calibrator, scoresOf(set.heldOut), set.heldOut), model: "lstm" },
        { rates, ratesName: "base rate", linear },
        { overlap, seed: 1 }
      )
    )
  )
}

/** It knows the outcome, and says it with noise. */
const clairvoyant = (rows: QuestionRows) => {
  const random = keyedRandom("clairvoyant", rows.rows)
  return rows.z.map((z) => 0.3 * z + 0.3 * random.normal())
}
const guessing = (rows: QuestionRows) => {
  const random = keyedRandom("guessing", rows.rows)
  return rows.z.map(() => random.normal())
}

const verdicts = (report: HeldOutReport) =>
  [report.sides, report.beside, report.returns].map((table) => table?.rows.at(-1)?.verdict)

describe("the judgement on held-out rows", () => {
  it("finds a model better that is, beside every baseline", () => {
    const report = judged(efficient, clairvoyant)
    expect(verdicts(report)).toEqual(["beats the baseline", "beats the baseline", "beats the baseline"])
    expect(report.rows).toBe(efficient.heldOut.rows)
    expect(report.sides.rows.map(({ model }) => model)).toEqual(["base rate", "linear baseline", "lstm"])
    expect(report.returns.rows.map(({ model }) => model)).toEqual(["repeat-last", "linear baseline", "lstm"])
    for (const line of verdictsOf(report))
      expect(line).toMatch(/^The lstm beats (the|repeat-last).*95% interval/)
  })

  it("does not claim an advantage for one that guesses, and says so in words", () => {
    for (const set of [edge, efficient]) {
      const report = judged(set, guessing)
      expect(verdicts(report)).not.toContain("beats the baseline")
      for (const line of verdictsOf(report)) expect(line).toContain("does NOT beat")
    }
  })

  it("has a linear baseline that finds the edge where there is one, and none where there is none", () => {
    const linear = (report: HeldOutReport) => report.sides.rows[1]?.verdict
    expect(linear(judged(edge, guessing))).toBe("beats the baseline")
    expect(linear(judged(efficient, guessing))).not.toBe("beats the baseline")
  })

  it("has base rates of what was learned from, and a price that stays where it is", () => {
    const rates = Either.getOrThrow(ratesOf(edge.training, edge.validation))
    const labels = [...edge.training.label, ...edge.validation.label]
    const buys = labels.filter((label) => label === 2).length
    expect(rates[2]).toBeCloseTo((buys + 1) / (labels.length + 3), 12)
    const { probabilities, z } = staying(rates, edge.heldOut)
    expect([...probabilities.slice(3, 6)]).toEqual([...rates])
    expect(z.every((value) => value === 0)).toBe(true)
    const report = judged(edge, guessing)
    const meanSquare = edge.heldOut.z.reduce((sum, one) => sum + one * one, 0) / edge.heldOut.rows
    const [still] = report.returns.rows
    expect(still?.metrics[0]?.value).toBeCloseTo(meanSquare, 10)
  })

  it("counts every row in the reliability of every side", () => {
    const { reliability } = judged(edge, clairvoyant)
    for (const side of ["sell", "hold", "buy"] as const) {
      const counted = reliability[side].bins.reduce((sum, { count }) => sum + count, 0)
      expect(counted).toBe(edge.heldOut.rows)
    }
  })
})
