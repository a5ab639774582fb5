import { describe, expect, it } from "@effect/vitest"
import type { HeldOutReport } from "../../../src/agents/training/HeldOut.ts"
import { promotionOf } from "../../../src/agents/training/promotion.ts"
import type { ComparisonRow, Verdict } from "../../../src/learning/evaluation/ComparisonTable.ts"

const rowOf = (verdict: Verdict, high: number): ComparisonRow => ({
  ...{ model: "one", metrics: [], blockLength: 4, verdict, reason: "" },
  interval: { mean: high - 0.01, low: high - 0.02, high } as ComparisonRow["interval"]
})
const better = rowOf("beats the baseline", -0.01)
const alike = rowOf("no difference shown", 0.01)
const tableOf = (row: ComparisonRow) => ({
  ...{ baseline: "other", outcomes: 100, confidence: 0.95 },
  rows: [{ ...row, interval: null, verdict: "is the baseline" as const }, row]
})
const reportOf = (base: ComparisonRow, beside: ComparisonRow | null) =>
  ({ sides: tableOf(base), beside: beside === null ? null : tableOf(beside) }) as unknown as HeldOutReport

const voter = { metric: "q-table", name: "the Q-table" }

describe("a promotion", () => {
  it("takes better than the base rate and better than the voter", () => {
    const promotion = promotionOf(reportOf(better, better), voter)
    expect(promotion.isBetter).toBe(true)
    expect(promotion.verdict).toBe("beside the Q-table: beats the baseline")
    expect(promotion.metrics).toContainEqual({ name: "q-table-difference-high", value: -0.01 })
    expect(promotion.metrics).toContainEqual({ name: "base-difference", value: -0.02 })
    expect(promotionOf(reportOf(better, alike), voter).isBetter).toBe(false)
    expect(promotionOf(reportOf(alike, better), voter).isBetter).toBe(false)
    expect(promotionOf(reportOf(alike, alike), voter).verdict).toBe("beside the Q-table: no difference shown")
  })

  it("is by the base rate alone where the voter could not be asked", () => {
    const alone = promotionOf(reportOf(better, null), voter)
    expect(alone.isBetter).toBe(true)
    expect(alone.verdict).toBe("beside the base rate: beats the baseline")
    expect(alone.metrics.map(({ name }) => name)).toEqual([
      "base-difference",
      "base-difference-low",
      "base-difference-high"
    ])
  })
})
