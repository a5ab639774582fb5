import { describe, expect, it } from "vitest"
import {
  compareModels,
  type Judged,
  renderComparison
} from "../../../src/learning/evaluation/ComparisonTable.ts"
import { mean } from "../../../src/learning/evaluation/Scoring.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const outcomes = 400
const options = { overlap: 1, key: ["comparison"] }

const judged = (model: string, level: number, count = outcomes): Judged => {
  const random = keyedRandom("judged", model)
  const losses = Float64Array.from({ length: count }, () => level + random.next())
  return { model, losses, metrics: [{ name: "loss", value: mean(losses) }] }
}

const baseline = judged("constant", 1)
const table = (...models: ReadonlyArray<Judged>) => runThrough(compareModels(baseline, models, options))

describe("ComparisonTable", () => {
  it("says a model beats the baseline only where the whole interval lies below zero", () => {
    const { rows } = table(judged("better", 0.8), judged("worse", 1.2), judged("alike", 1))
    expect(rows.map(({ model, verdict }) => [model, verdict])).toEqual([
      ["constant", "is the baseline"],
      ["better", "beats the baseline"],
      ["worse", "loses to the baseline"],
      ["alike", "no difference shown"]
    ])
    for (const { interval, verdict } of rows.slice(1)) {
      expect(interval !== null && interval.high < 0).toBe(verdict === "beats the baseline")
      expect(interval !== null && interval.low > 0).toBe(verdict === "loses to the baseline")
    }
  })

  it("claims next to nothing in worlds without a difference", () => {
    let claims = 0
    const few = judged("few", 1, 100)
    for (let world = 0; world < 200; world++) {
      const [, row] = runThrough(compareModels(few, [judged(`world ${world}`, 1, 100)], options)).rows
      if (row?.verdict === "beats the baseline") claims++
    }
    expect(claims).toBeLessThanOrEqual(14)
  })

  it("takes a lower mean that rests on few dependent outcomes for no proof", () => {
    const random = keyedRandom("walk")
    let level = 0
    const losses = baseline.losses.map((loss) => {
      level = 0.97 * level + 0.1 * random.normal()
      return loss + level - 0.02
    })
    const model: Judged = { model: "lucky", losses, metrics: [] }
    const lucky = table(model).rows[1]
    expect(lucky?.blockLength).toBeGreaterThan(20)
    expect(lucky?.verdict).toBe("no difference shown")
  })

  it("makes no claim where losses cannot be compared, and says why", () => {
    const short = judged("short", 0, 300)
    const broken = { ...judged("broken", 0), losses: new Float64Array(outcomes).fill(Number.NaN) }
    const rows = table(short, broken).rows.slice(1)
    for (const row of rows)
      expect(row).toMatchObject({ interval: null, blockLength: null, verdict: "not comparable" })
    expect(rows[0]?.reason).toContain("baseline has 400 numbers, not 300")
    expect(rows[1]?.reason).toContain("candidate is NaN")
    const few = runThrough(compareModels(baseline, [judged("few", 0)], { ...options, overlap: 96 }))
    expect(few.rows[1]).toMatchObject({
      verdict: "not comparable",
      reason: "400 outcomes are too few: 960 are needed."
    })
  })

  it("gives a row that does not depend on the others, and is pure data", () => {
    const [better, alike] = [judged("better", 0.8), judged("alike", 1)]
    const both = table(better, alike)
    expect(both.rows[2]).toEqual(table(alike).rows[1])
    expect(both).toEqual(table(better, alike))
    expect(JSON.parse(JSON.stringify(both))).toEqual(both)
    expect(both).toMatchObject({ baseline: "constant", outcomes, confidence: 0.95 })
    expect(() => table(better, better)).toThrow("two models of one name")
  })

  it("is read as plain text", () => {
    const text = renderComparison({
      baseline: "repeat-last",
      outcomes: 1_422,
      confidence: 0.95,
      rows: [
        {
          model: "repeat-last",
          metrics: [{ name: "mse", value: 0.08107 }],
          interval: null,
          blockLength: null,
          verdict: "is the baseline",
          reason: ""
        },
        {
          model: "linear",
          metrics: [
            { name: "mse", value: 0.0823456 },
            { name: "windows", value: 1_422 }
          ],
          interval: { mean: 0.0012, low: -0.0034, high: 0.0058 },
          blockLength: 142,
          verdict: "no difference shown",
          reason: ""
        },
        {
          model: "none",
          metrics: [],
          interval: null,
          blockLength: null,
          verdict: "not comparable",
          reason: "3 outcomes are too few: 10 are needed."
        }
      ]
    })
    expect(text).toBe(
      [
        "model            mse  windows  difference            95% interval  verdict",
        "repeat-last  0.08107        -           -                       -  is the baseline",
        "linear       0.08235     1422   +0.001200  -0.003400 to +0.005800  no difference shown",
        "none               -        -           -                       -  not comparable: 3 outcomes are too few: 10 are needed.",
        "Mean loss less that of repeat-last, over 1422 outcomes; below zero is better."
      ].join("\n")
    )
  })
})
