import { describe, expect, it } from "@effect/vitest"
import { renderSummary, type Summary } from "../../src/cli/Summary.ts"
import { run } from "../agents/feedEvents.ts"

const summary: Summary = {
  type: "summary",
  run,
  barsRead: 12_345,
  rowsRefused: 3,
  gaps: 2,
  barsMissing: 7,
  decisions: 12_000,
  abstentions: 40,
  degraded: 20,
  fills: 55,
  fees: 123.456,
  turnover: 1_234_567.8,
  startingEquity: 100_000,
  finalEquity: 112_500,
  buyAndHoldEquity: 95_000,
  ledgerDigest: "d".repeat(64),
  wallTimeMs: 4_321
}

describe("the summary", () => {
  it("says in one line each what the run came to", () => {
    expect(
      renderSummary(summary)
        .split("\n")
        .map((line) => line.replace(/\s+/g, " "))
    ).toEqual([
      "run: test",
      "bars read: 12345",
      "rows refused: 3",
      "gaps: 2 (7 bars)",
      "decisions: 12000 (20 degraded, 40 abstentions)",
      "fills: 55 (turnover 1,234,567.80, fees 123.46)",
      "final equity: 112,500.00 (+12.50%)",
      "buy and hold: 95,000.00 (-5.00%)",
      "wall time: 4.3 s"
    ])
  })

  it("puts the values under each other", () => {
    const columns = renderSummary({ ...summary, finalEquity: 100_000 })
      .split("\n")
      .map((line) => line.search(/(?<=: +)[^ ]/))
    expect(new Set(columns).size).toBe(1)
    expect(renderSummary({ ...summary, finalEquity: 100_000 })).toContain("(+0.00%)")
  })

  it("has but one field that differs in a repetition, the time that it took", () => {
    const [first, second] = [1, 99_999].map((wallTimeMs) =>
      renderSummary({ ...summary, wallTimeMs }).split("\n")
    )
    const differing = (first ?? []).filter((line, i) => line !== second?.[i])
    expect(differing.length).toBe(1)
    expect(differing[0]).toContain("wall time")
  })
})
