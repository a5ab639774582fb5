import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import * as Committee from "../../../src/agents/orchestrator/Committee.ts"
import { logScore } from "../../../src/agents/orchestrator/pooling.ts"
import type { Decision, MaturedOutcome } from "../../../src/protocols/Decision.ts"
import type { Answer, Side } from "../../../src/protocols/Opinion.ts"
import { asOfAt, frameMs, run, timeFrame } from "../feedEvents.ts"
import {
  abstention,
  alpha,
  bearish,
  bullish,
  convinced,
  digest,
  members,
  opinion,
  question
} from "./inputs.ts"
import { evolveCommittee, horizonBars, type Round, roundOptions, session } from "./rounds.ts"

const fold = (rounds: ReadonlyArray<Round>, from = Committee.empty): Committee.Committee =>
  rounds.reduce((state, payload) => evolveCommittee(state, { payload }), from)

const standing = (committee: Committee.Committee): Committee.Standing =>
  Committee.standingOf(committee, alpha.id, roundOptions)

/** A decision on ALPHA at the bar of an index, of which the committee needs the answers and what was pooled. */
const decisionAt = (index: number, answers: ReadonlyArray<Answer>): Decision => ({
  id: digest("b").slice(0, 32),
  key: { run, instrument: alpha.id, timeFrame, asOf: asOfAt(index) },
  action: "hold",
  strategy: "stand-aside",
  targetExposure: 0,
  confidence: 0.3,
  pooled: bullish,
  calibrated: bullish,
  expectedReturn: 0,
  spread: 0.02,
  verdicts: [],
  degraded: null,
  inputs: { ...convinced, answers, question: { ...question, asOf: asOfAt(index) } },
  modelVersions: [],
  epoch: 1 as Decision["epoch"],
  traceId: digest("0").slice(0, 32)
})

const outcomeAt = (index: number, label: Side): MaturedOutcome => ({
  instrument: alpha.id,
  asOf: asOfAt(index),
  maturedAt: asOfAt(index + horizonBars),
  return: label === "buy" ? 0.02 : label === "sell" ? -0.02 : 0,
  label
})

const roundAt = (index: number, changes: Partial<Round>): Round => ({
  asOf: asOfAt(index),
  barsSequence: index + 1,
  part: 0,
  parts: 1,
  outcomes: [],
  decisions: [],
  ...changes
})

const both = [
  opinion("deep-learning", { probabilities: bullish }),
  opinion("reinforcement-learning", { probabilities: bearish })
]

/** By instrument: the order of first appearance is no part of what the state means. */
const meaning = (committee: Committee.Committee) => ({
  ...committee,
  unsettled: [...committee.unsettled].sort(),
  standings: [...committee.standings].sort((a, b) => (a.instrument < b.instrument ? -1 : 1))
})

const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) frozen(inner)
  }
  return value
}

describe("the committee", () => {
  it("begins with even weights for everybody, the baseline among them", () => {
    const newcomer = standing(Committee.empty)
    expect(Committee.membersOf(["a", "b"])).toEqual(["a", "b", "baseline"])
    expect(Committee.committeeInputs(newcomer, roundOptions).weights).toEqual(
      members.map((member) => ({ member, weight: 1 / 3 }))
    )
    expect(newcomer.evidence).toEqual({ logOdds: 0, outcomes: 0 })
  })

  it("moves nothing by decisions: weights wait for outcomes", () => {
    const decided = fold([0, 1, 2].map((index) => roundAt(index, { decisions: [decisionAt(index, both)] })))
    const { calibration, evidence, weights } = standing(Committee.empty)
    expect(standing(decided)).toMatchObject({ calibration, evidence, weights, decisions: 3, outcomes: 0 })
    expect(standing(decided).pending.map(({ asOf }) => asOf)).toEqual([0, 1, 2].map(asOfAt))
  })

  it("moves the weight to whom the outcome proves right, and scores each question once", () => {
    const decided = fold([roundAt(0, { decisions: [decisionAt(0, both)] })])
    const matured = fold([roundAt(4, { outcomes: [outcomeAt(0, "buy")] })], decided)
    const [right, wrong, baseline] = standing(matured).weights as [number, number, number]
    expect(right).toBeGreaterThan(baseline)
    expect(baseline).toBeGreaterThan(wrong)
    expect(standing(matured)).toMatchObject({ outcomes: 1, pending: [] })
    expect(standing(matured).logLoss).toBeCloseTo(-logScore(bullish, "buy"), 12)
    const again = fold([roundAt(5, { outcomes: [outcomeAt(0, "buy")] })], matured)
    expect(standing(again)).toEqual(standing(matured))
  })

  it("lets an outcome of a question that it never asked pass", () => {
    const decided = fold([roundAt(0, { decisions: [decisionAt(0, both)] })])
    const stray = fold([roundAt(4, { outcomes: [outcomeAt(3, "sell")] })], decided)
    expect(standing(stray)).toEqual(standing(decided))
  })

  it("neither rewards nor punishes who abstained or had the baseline stand in", () => {
    const exact = Committee.evolve({ ...roundOptions, hedgeRate: 1, hedgeShare: 0 })
    const silences = [
      abstention("reinforcement-learning"),
      opinion("reinforcement-learning", { probabilities: bearish, standIn: "baseline" })
    ]
    for (const silence of silences) {
      for (const label of ["sell", "hold", "buy"] as const) {
        const rounds = [
          roundAt(0, { decisions: [decisionAt(0, [opinion("deep-learning"), silence])] }),
          roundAt(4, { outcomes: [outcomeAt(0, label)] })
        ]
        const state = rounds.reduce((at, payload) => exact(at, { payload }), Committee.empty)
        expect(standing(state).weights[1]).toBeCloseTo(1 / 3, 12)
        expect(standing(state).weights[0]).not.toBeCloseTo(1 / 3, 3)
      }
    }
  })

  it("gathers evidence from horizons that do not overlap, and only when somebody spoke", () => {
    const decisions = Array.from({ length: 9 }, (_, index) => decisionAt(index, both))
    const state = fold(decisions.map((decision, index) => roundAt(index, { decisions: [decision] })))
    expect(standing(state).pending.map(({ isEvidence }) => isEvidence)).toEqual(
      decisions.map((_, index) => index % horizonBars === 0)
    )
    const silent = fold([roundAt(0, { decisions: [decisionAt(0, [abstention("deep-learning")])] })])
    expect(standing(silent).pending[0]?.isEvidence).toBe(false)
    const scored = fold([roundAt(20, { outcomes: [outcomeAt(0, "buy"), outcomeAt(1, "buy")] })], state)
    expect(standing(scored).evidence.outcomes).toBe(1)
    expect(standing(scored).evidence.logOdds).toBeCloseTo(
      logScore(bullish, "buy") - logScore(convinced.baseRate.probabilities, "buy"),
      12
    )
  })

  it("does not pile evidence up beyond its bound on either side", () => {
    for (const label of ["buy", "sell"] as const) {
      const rounds = Array.from({ length: 200 }, (_, i) => [
        roundAt(2 * i, { decisions: [decisionAt(2 * i, both)] }),
        roundAt(2 * i + 1, { outcomes: [outcomeAt(2 * i, label)] })
      ]).flat()
      const { logOdds } = standing(fold(rounds)).evidence
      expect(logOdds).toBe(label === "buy" ? roundOptions.evidenceMax : -roundOptions.evidenceMax)
    }
  })

  it("counts rounds when they are settled, and abstentions and degraded decisions as they come", () => {
    const degraded = { ...decisionAt(0, [abstention("a"), abstention("b")]), degraded: "no quorum" }
    const half = fold([roundAt(0, { parts: 2, decisions: [degraded] })])
    expect(half).toMatchObject({ barsSequence: 0, rounds: 0, decisions: 1, abstentions: 2, degraded: 1 })
    expect(half.unsettled).toEqual([alpha.id])
    const whole = fold([roundAt(0, { part: 1, parts: 2 })], half)
    expect(whole).toMatchObject({ barsSequence: 1, rounds: 1, decisions: 1, unsettled: [] })
  })
})

describe("the committee as a fold", () => {
  const { committee, rounds } = session(11, 90)

  it("comes to what was sat through, and changes nothing that it is given", () => {
    const events = frozen(structuredClone(rounds)) as ReadonlyArray<Round>
    let state = frozen(Committee.empty)
    for (const payload of events) state = frozen(evolveCommittee(state, { payload }))
    expect(state).toEqual(committee)
    expect(committee.decisions).toBeGreaterThan(100)
    expect(committee.standings.every(({ outcomes }) => outcomes > 50)).toBe(true)
  })

  it("is the same however often rounds are delivered again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(rounds.length - 1), fc.nat(rounds.length - 1)), { maxLength: 60 }),
        (repetitions) => {
          const delivered = rounds.flatMap((round, i) => [
            round,
            ...repetitions.flatMap(([after, which]) =>
              after === i && which <= i ? [rounds[which] as Round] : []
            )
          ])
          expect(fold(delivered)).toEqual(committee)
        }
      ),
      { numRuns: 40 }
    )
  })

  it("is the same in whatever order the instruments of a round come", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.boolean()), (turns) => {
        const turned = rounds.map((round) => {
          const isTurned = turns.next().value === true
          return isTurned
            ? { ...round, outcomes: [...round.outcomes].reverse(), decisions: [...round.decisions].reverse() }
            : round
        })
        expect(meaning(fold(turned))).toEqual(meaning(committee))
      }),
      { numRuns: 30 }
    )
  })

  it("is the same whether a round comes in one part or in several, delivered once or twice", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(3)), (draws) => {
        const delivered = rounds.flatMap((round) => {
          const draw = draws.next().value
          if (draw === 0 || round.decisions.length < 2) return [round]
          const parts = [
            { ...round, parts: 2, decisions: round.decisions.slice(0, 1) },
            { ...round, part: 1, parts: 2, outcomes: [], decisions: round.decisions.slice(1) }
          ]
          return draw === 1 ? parts : [parts[0] as Round, ...parts]
        })
        expect(fold(delivered)).toEqual(committee)
      }),
      { numRuns: 30 }
    )
  })

  it("scores questions in their order, each when its horizon has passed and not before", () => {
    for (const round of rounds) {
      expect(round.outcomes.every(({ maturedAt }) => maturedAt === round.asOf)).toBe(true)
    }
    for (const { instrument } of committee.standings) {
      const matured = rounds.flatMap(({ outcomes }) =>
        outcomes.filter((outcome) => outcome.instrument === instrument)
      )
      const asked = rounds.flatMap(({ decisions }) =>
        decisions.filter(({ key }) => key.instrument === instrument).map(({ key }) => key.asOf)
      )
      expect(matured.map(({ asOf }) => asOf)).toEqual(asked.slice(0, matured.length))
      expect(matured.every(({ asOf, maturedAt }) => maturedAt === asOf + horizonBars * frameMs)).toBe(true)
      expect(asked.length - matured.length).toBe(horizonBars)
    }
  })

  it("keeps the weights a distribution at every step", () => {
    let state = Committee.empty
    for (const payload of rounds) {
      state = evolveCommittee(state, { payload })
      for (const { calibration, weights } of state.standings) {
        for (const list of [weights, calibration]) {
          expect(Math.abs(list.reduce((sum, weight) => sum + weight, 0) - 1)).toBeLessThan(1e-9)
          expect(Math.min(...list)).toBeGreaterThan(0)
        }
      }
    }
  })

  it("goes on from a snapshot as if it had never been written", () => {
    const json = Schema.parseJson(Committee.Committee)
    const half = Schema.decodeSync(json)(Schema.encodeSync(json)(fold(rounds.slice(0, 50))))
    expect(fold(rounds.slice(50), half)).toEqual(committee)
  })
})
