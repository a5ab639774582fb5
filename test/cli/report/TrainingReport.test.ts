import { describe, expect, it } from "@effect/vitest"
import type { HeldOutReport } from "../../../src/agents/training/HeldOut.ts"
import { renderHeldOut, verdictsOf } from "../../../src/cli/report/comparisons.ts"
import { chartSvg, escapeText } from "../../../src/cli/report/svg.ts"
import { renderTrainingReport, type TrainingReport } from "../../../src/cli/report/TrainingReport.ts"
import type { ComparisonRow, ComparisonTable } from "../../../src/learning/evaluation/ComparisonTable.ts"
import { trained } from "../../agents/training/models.ts"

const row = (model: string, change: Partial<ComparisonRow> = {}): ComparisonRow => ({
  model,
  metrics: [{ name: "log-loss", value: 1.0987 }],
  interval: null,
  blockLength: null,
  verdict: "is the baseline",
  reason: "",
  ...change
})

const table = (baseline: string, last: Partial<ComparisonRow>): ComparisonTable => ({
  baseline,
  outcomes: 500,
  confidence: 0.95,
  rows: [row(baseline), row("lstm", last)]
})

const curve = {
  bins: [
    { low: 0, high: 0.5, count: 3, meanProbability: 0.25, observedRate: 0.5 },
    { low: 0.5, high: 1, count: 0, meanProbability: null, observedRate: null }
  ],
  expectedCalibrationError: 0.25,
  maximumCalibrationError: 0.25
}

const heldOut: HeldOutReport = {
  rows: 500,
  sides: table("base rate", {
    interval: { mean: -0.02, low: -0.03, high: -0.01 },
    verdict: "beats the baseline"
  }),
  beside: table("linear baseline", {
    interval: { mean: 0.02, low: 0.01, high: 0.03 },
    verdict: "loses to the baseline"
  }),
  returns: table("repeat-last", {
    interval: { mean: -0.001, low: -0.01, high: 0.01 },
    verdict: "no difference shown"
  }),
  reliability: { sell: curve, hold: curve, buy: curve }
}

const report: TrainingReport = {
  digest: "b".repeat(64),
  parameters: 42,
  ended: "all <epochs> done",
  model: trained,
  heldOut
}

describe("the verdicts", () => {
  it("claim what the interval shows, and nothing else", () => {
    expect(verdictsOf(heldOut)).toEqual([
      "The lstm beats the base rate by its log loss (-0.02, 95% interval -0.03 to -0.01).",
      "The lstm does NOT beat the linear baseline: its log loss is higher (+0.02, 95% interval +0.01 to +0.03).",
      "The lstm does NOT beat repeat-last: the difference of its squared error may be chance (-0.001, 95% interval -0.01 to +0.01)."
    ])
    const few = {
      ...heldOut,
      sides: table("base rate", { verdict: "not comparable", reason: "too few." }),
      beside: null
    }
    expect(verdictsOf(few)[0]).toBe(
      "The lstm cannot be compared with the base rate by its log loss: too few."
    )
    expect(verdictsOf(few).length).toBe(2)
    expect(renderHeldOut(heldOut)).toContain(verdictsOf(heldOut)[1])
  })
})

describe("the report of a training", () => {
  const html = renderTrainingReport(report)

  it("is one file that needs nothing beside itself", () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/)
    expect(html.match(/<svg /g)?.length).toBe(2)
    expect(html.match(/<svg /g)?.length).toBe(html.match(/<\/svg>/g)?.length)
    expect(renderTrainingReport(report)).toBe(html)
  })

  it("shows the verdicts, the baselines, the losses, the reliability and how it was made", () => {
    for (const line of verdictsOf(heldOut)) expect(html).toContain(escapeText(line))
    for (const text of [
      "base rate",
      "linear baseline",
      "repeat-last",
      "1.099",
      "sell (error 0.250)",
      "csv:X:spot",
      "b".repeat(64)
    ]) {
      expect(html).toContain(text)
    }
    expect(html).toContain("all &#60;epochs&#62; done")
    expect(html).not.toContain("NaN")
  })
})

describe("a chart", () => {
  const draw = (lines: Parameters<typeof chartSvg>[0]["lines"]) =>
    chartSvg({ title: "a & b", x: "x", y: "y", lines })

  it("draws its lines within its frame, and dots where there is but one point", () => {
    const svg = draw([
      {
        name: "one",
        points: [
          [1, 5],
          [2, 7]
        ]
      }
    ])
    const [path = ""] = svg.match(/<path d="[^"]+" fill="none"/) ?? []
    const numbers = [...path.matchAll(/(\d+\.\d)/g)].map(([number]) => Number(number))
    expect(numbers.length).toBe(4)
    for (const number of numbers) expect(number >= 0 && number <= 520).toBe(true)
    expect(svg).toContain("a &#38; b")
    expect(draw([{ name: "one", points: [[1, 5]] }]).match(/<circle/g)?.length).toBe(1)
  })

  it("is drawn whatever the numbers are", () => {
    for (const points of [
      [],
      [
        [1, 1],
        [1, 1]
      ],
      [
        [0, Number.NaN],
        [1, Number.POSITIVE_INFINITY]
      ],
      [
        [0, 1e300],
        [1, -1e300]
      ]
    ] as const) {
      const svg = draw([{ name: "one", points }])
      expect(svg).not.toMatch(/NaN|Infinity/)
    }
  })
})
