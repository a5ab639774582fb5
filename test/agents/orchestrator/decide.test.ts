import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { decide, ownAnswers } from "../../../src/agents/orchestrator/decide.ts"
import {
  type DecisionInputs,
  DecisionOutcome,
  GuardName,
  type Strategy
} from "../../../src/protocols/Decision.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"
import {
  abstention,
  account,
  anyInputs,
  asItIs,
  bearish,
  bullish,
  convinced,
  opinion,
  policy,
  question,
  voters
} from "./inputs.ts"

const failedOf = (inputs: DecisionInputs): ReadonlyArray<string> =>
  decide(inputs)
    .verdicts.filter(({ passed }) => !passed)
    .map(({ guard }) => guard)

const withPolicy = (changes: Partial<DecisionInputs["policy"]>): DecisionInputs => ({
  ...convinced,
  policy: { ...policy, ...changes }
})
const holding = (inputs: DecisionInputs, exposure: number): DecisionInputs => ({
  ...inputs,
  account: inputs.account === null ? null : { ...inputs.account, exposure }
})
/** Everybody says so, and no base rate dilutes it. */
const saying = (changes: Parameters<typeof opinion>[1]): DecisionInputs => ({
  ...convinced,
  answers: voters.map((voter) => opinion(voter, changes)),
  weights: convinced.weights.map(({ member }) => ({ member, weight: member === "baseline" ? 0 : 0.5 }))
})

describe("deciding", () => {
  it("takes a side when every guard is content", () => {
    const decision = decide(convinced)
    expect(decision.verdicts.map(({ guard }) => guard)).toEqual(GuardName.literals)
    expect(failedOf(convinced)).toEqual([])
    expect(decision).toMatchObject({ action: "buy", strategy: "directional", degraded: null })
    expect(decision.targetExposure).toBeGreaterThan(0)
    expect(decision.confidence).toBe(decision.calibrated.buy)
  })

  it("takes the other side by the same reasons, and never with a sign of its own", () => {
    const decision = decide(saying({ probabilities: bearish, expectedReturn: -0.01 }))
    const mirrored = decide(saying({ probabilities: bullish, expectedReturn: 0.01 }))
    expect(decision).toMatchObject({ action: "sell", strategy: "directional" })
    expect(decision.targetExposure).toBeCloseTo(-mirrored.targetExposure, 12)
  })

  it("wants a share of the Kelly exposure of what is left after costs, and no more than the limit", () => {
    const modest = decide({ ...saying({ expectedReturn: 0.01, spread: 0.3 }) })
    expect(modest.targetExposure).toBeCloseTo((0.25 * (0.01 - question.roundTripCost)) / 0.3 ** 2, 12)
    expect(decide(saying({ spread: 1e-6 })).targetExposure).toBe(policy.exposureMax)
  })

  it("mixes means and spreads as a mixture does", () => {
    const inputs: DecisionInputs = {
      ...convinced,
      answers: [
        opinion("deep-learning", { expectedReturn: 0.03, spread: 0.01 }),
        opinion("reinforcement-learning", { expectedReturn: -0.01, spread: 0.02 })
      ],
      weights: [
        { member: "deep-learning", weight: 0.5 },
        { member: "reinforcement-learning", weight: 0.5 },
        { member: "baseline", weight: 0 }
      ]
    }
    const { expectedReturn, spread } = decide(inputs)
    expect(expectedReturn).toBeCloseTo(0.01, 12)
    const second = 0.5 * (0.01 ** 2 + 0.03 ** 2) + 0.5 * (0.02 ** 2 + 0.01 ** 2)
    expect(spread).toBeCloseTo(Math.sqrt(second - 0.01 ** 2), 12)
  })

  it("gives an abstention no weight: what is left is pooled as if the other had never been a member", () => {
    const two = decide({
      ...convinced,
      answers: [opinion("deep-learning"), abstention("reinforcement-learning")]
    })
    const alone = decide({
      ...convinced,
      answers: [opinion("deep-learning")],
      weights: convinced.weights.filter(({ member }) => member !== "reinforcement-learning")
    })
    expect(two.pooled).toEqual(alone.pooled)
    expect(two.expectedReturn).toBe(alone.expectedReturn)
    expect(two.pooled.buy).toBeGreaterThan(0.65)
  })

  it("is the base rate when all abstain, which is not a vote for hold", () => {
    const baseRate = { probabilities: { sell: 0.2, hold: 0.1, buy: 0.7 }, outcomes: 500 }
    const decision = decide({ ...convinced, baseRate, answers: voters.map((voter) => abstention(voter)) })
    expect(decision.pooled.buy).toBeCloseTo(0.7, 12)
    expect(decision).toMatchObject({ action: "hold", expectedReturn: 0 })
    expect(decision.confidence).toBe(decision.calibrated.hold)
  })

  it("does not listen to who is no member", () => {
    const stranger = opinion("somebody-else", { probabilities: bearish, expectedReturn: -1 })
    expect(decide({ ...convinced, answers: [...convinced.answers, stranger] }).pooled).toEqual(
      decide(convinced).pooled
    )
  })
})

/** What makes exactly one guard of a convinced committee object. */
const objections: ReadonlyArray<readonly [guard: string, inputs: DecisionInputs]> = [
  ["quorum", { ...convinced, answers: [opinion("deep-learning"), abstention("reinforcement-learning")] }],
  ["warm-up", { ...convinced, warmUp: true }],
  ["staleness", { ...convinced, ageMs: policy.stalenessMaxMs + 1 }],
  ["kill-switch", { ...convinced, account: { ...account, stopped: true } }],
  ["skill", { ...convinced, evidence: { logOdds: -Math.log(policy.skillAlpha) - 1e-9, outcomes: 100 } }],
  ["confidence", withPolicy({ confidenceMin: 0.8 })],
  ["win-probability", withPolicy({ winProbabilityMin: 0.95 })],
  ["edge", withPolicy({ edgeCostMultipleMin: 100 })],
  ["risk", { ...convinced, account: { ...account, equity: 0 } }]
]

describe("the guards", () => {
  it("are all tried by the table below", () => {
    expect(objections.map(([guard]) => guard)).toEqual(GuardName.literals)
  })

  for (const [guard, inputs] of objections) {
    it(`hold back a decision to which ${guard} alone objects, and give the reason`, () => {
      expect(failedOf(inputs)).toEqual([guard])
      const decision = decide(inputs)
      expect(decision.action).toBe("hold")
      expect(decision.targetExposure).toBe(0)
      const verdict = decision.verdicts.find((candidate) => candidate.guard === guard)
      expect(verdict?.reason.length).toBeGreaterThan(5)
    })
  }

  it("draw their lines where they say: at the limit is within it", () => {
    expect(failedOf({ ...convinced, ageMs: policy.stalenessMaxMs })).toEqual([])
    expect(
      failedOf({ ...convinced, evidence: { logOdds: -Math.log(policy.skillAlpha), outcomes: 9 } })
    ).toEqual([])
    const { calibrated } = decide(convinced)
    expect(failedOf(withPolicy({ confidenceMin: calibrated.buy }))).toEqual([])
    const win = calibrated.buy / (calibrated.buy + calibrated.sell)
    expect(failedOf(withPolicy({ winProbabilityMin: win }))).toEqual([])
    expect(failedOf(withPolicy({ quorum: 0 }))).toEqual([])
  })

  it("refuse a short position where none is allowed, and no long one", () => {
    const short = saying({ probabilities: bearish, expectedReturn: -0.01 })
    expect(failedOf({ ...short, policy: { ...policy, allowShort: false } })).toEqual(["risk"])
    expect(failedOf(withPolicy({ allowShort: false }))).toEqual([])
  })

  it("count the previous model as an answer of one's own, and a baseline standing in as none", () => {
    const standingIn = (standIn: "previous" | "baseline") => ({
      ...convinced,
      answers: [opinion("deep-learning"), opinion("reinforcement-learning", { standIn })]
    })
    expect(ownAnswers(standingIn("previous")).length).toBe(2)
    expect(failedOf(standingIn("previous"))).toEqual([])
    expect(failedOf(standingIn("baseline"))).toEqual(["quorum"])
  })

  it("object to a pool whose mean and probabilities point apart", () => {
    const torn = saying({ probabilities: bullish, expectedReturn: -0.01 })
    expect(decide(torn).action).toBe("hold")
    expect(failedOf(torn)).toContain("confidence")
  })
})

describe("holding", () => {
  type Row = readonly [guard: string, flat: Strategy, held: Strategy, target: number]
  /** Of an exposure of 0.2 in the direction of the pool. */
  const table: ReadonlyArray<Row> = [
    ["quorum", "degraded", "degraded", 0.2],
    ["warm-up", "stand-aside", "keep", 0.2],
    ["staleness", "stand-aside", "keep", 0.2],
    ["kill-switch", "flatten", "flatten", 0],
    ["skill", "stand-aside", "exit", 0],
    ["confidence", "stand-aside", "keep", 0.2],
    ["win-probability", "stand-aside", "keep", 0.2],
    ["edge", "stand-aside", "keep", 0.2],
    ["risk", "stand-aside", "keep", 0.2]
  ]
  for (const [guard, flat, held, target] of table) {
    it(`for want of ${guard} is ${flat} without a position and ${held} with one`, () => {
      const inputs = objections.find(([name]) => name === guard)?.[1] as DecisionInputs
      expect(decide(inputs)).toMatchObject({ strategy: flat, targetExposure: 0 })
      expect(decide(holding(inputs, 0.2))).toMatchObject({ strategy: held, targetExposure: target })
    })
  }

  it("ends a position that the pool has turned against, and keeps one whose bars are merely stale", () => {
    const weak = { ...convinced, policy: { ...policy, edgeCostMultipleMin: 100 } }
    expect(decide(holding(weak, -0.2))).toMatchObject({ strategy: "exit", targetExposure: 0 })
    const stale = { ...convinced, ageMs: policy.stalenessMaxMs + 1 }
    expect(decide(holding(stale, -0.2))).toMatchObject({ strategy: "keep", targetExposure: -0.2 })
  })

  it("leaves everything as it is while the broker does not answer: what is held is not known", () => {
    const decision = decide({ ...convinced, account: null })
    expect(decision).toMatchObject({ action: "hold", strategy: "degraded" })
    expect(decision.degraded).toBe("the broker does not answer")
    expect(failedOf({ ...convinced, account: null })).toEqual(["kill-switch", "risk"])
  })

  it("says without a quorum that it is degraded, who is missing and why", () => {
    const decision = decide({
      ...convinced,
      answers: [
        abstention("deep-learning", "it did not answer within 1000 ms"),
        opinion("reinforcement-learning", { standIn: "baseline", reason: "no agent answers" })
      ]
    })
    expect(decision).toMatchObject({ action: "hold", strategy: "degraded" })
    expect(decision.degraded).toContain("no quorum: 0 of 2 own answers")
    expect(decision.degraded).toContain("deep-learning abstains: it did not answer within 1000 ms")
    expect(decision.degraded).toContain("the baseline stands in for reinforcement-learning: no agent answers")
  })

  it("is not degraded by an abstention that the quorum can do without", () => {
    const inputs = objections[0]?.[1] as DecisionInputs
    expect(decide({ ...inputs, policy: { ...policy, quorum: 1 } }).degraded).toBeNull()
  })

  it("keeps the reason within what a record may hold", () => {
    const long = "x".repeat(2_000)
    const { degraded } = decide({ ...convinced, answers: voters.map((voter) => abstention(voter, long)) })
    expect(degraded?.length).toBeLessThanOrEqual(2_000)
  })
})

describe("any decision", () => {
  const isOutcome = Schema.is(DecisionOutcome)

  it("is one that a record can hold", () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => isOutcome(decide(inputs))),
      { numRuns: 1_000 }
    )
  })

  it("acts only when all guards are content, in the direction of its mean, and within the limit", () => {
    let taken = 0
    const eager = anyInputs.map((inputs) => ({
      ...inputs,
      calibration: asItIs,
      warmUp: false,
      ageMs: 0,
      evidence: { logOdds: 8, outcomes: 1 },
      account: { ...account, exposure: inputs.account?.exposure ?? 0 },
      policy: {
        ...inputs.policy,
        quorum: 0,
        winProbabilityMin: 0.5,
        confidenceMin: 0.3,
        edgeCostMultipleMin: 0,
        allowShort: true
      }
    }))
    fc.assert(
      fc.property(fc.oneof(anyInputs, eager), (inputs) => {
        const decision = decide(inputs)
        if (decision.action === "hold") return decision.strategy !== "directional"
        taken++
        expect(decision.verdicts.every(({ passed }) => passed)).toBe(true)
        expect(decision.strategy).toBe("directional")
        expect(decision.degraded).toBeNull()
        const sign = decision.action === "buy" ? 1 : -1
        expect(sign * decision.targetExposure).toBeGreaterThanOrEqual(0)
        expect(sign * decision.expectedReturn).toBeGreaterThan(0)
        expect(Math.abs(decision.targetExposure)).toBeLessThanOrEqual(inputs.policy.exposureMax)
        expect(decision.confidence).toBeGreaterThanOrEqual(inputs.policy.confidenceMin)
        return true
      }),
      { numRuns: 2_000 }
    )
    expect(taken).toBeGreaterThan(20)
  })

  it("follows from its inputs alone", () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const copy = JSON.parse(JSON.stringify(inputs)) as DecisionInputs
        expect(canonicalJson(decide(copy))).toBe(canonicalJson(decide(inputs)))
      })
    )
  })
})
