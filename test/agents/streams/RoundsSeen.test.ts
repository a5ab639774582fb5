import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { RoundForStreams } from "../../../src/agents/streams/RoundForStreams.ts"
import {
  emptyRoundsSeen,
  evolveRoundsSeen,
  pendingMax,
  type RoundsSeen,
  RoundsSeenSnapshot
} from "../../../src/agents/streams/RoundsSeen.ts"
import { emptySkill, signalQualityOf, takeOutcome } from "../../../src/market/features/SignalQuality.ts"
import { lossesOf } from "../../../src/market/streams/consensusWrong.ts"
import { leansMax } from "../../../src/market/streams/contrarian.ts"
import { type Round, session } from "../orchestrator/rounds.ts"

const { rounds } = session(41, 120, 2)
const json = Schema.parseJson(RoundsSeenSnapshot)
const fold = (all: ReadonlyArray<Round>, from: RoundsSeen = emptyRoundsSeen()) =>
  all.reduce((state, payload) => evolveRoundsSeen(state, { payload }), from)
const restarted = (state: RoundsSeen) => Schema.decodeSync(json)(Schema.encodeSync(json)(state))
const decisions = rounds.flatMap((round) => round.decisions)
const outcomes = rounds.flatMap((round) => round.outcomes)

describe("what the streams keep of rounds", () => {
  it("is what each matured opinion cost beside the base rate, by as-of", () => {
    const { pending, scored } = fold(rounds)
    const said = outcomes.flatMap((outcome) => {
      const decision = decisions.find(
        ({ degraded, key }) =>
          degraded === null && key.instrument === outcome.instrument && key.asOf === outcome.asOf
      )
      return decision === undefined ? [] : [{ outcome, decision }]
    })
    expect(said.length).toBeGreaterThan(50)
    const total = (pick: (row: (typeof scored)[number]) => number) =>
      scored.reduce((sum, row) => sum + pick(row), 0)
    expect(total((row) => row.outcomes)).toBe(said.length)
    const expected = said.reduce(
      (sum, one) => sum + lossesOf(one.decision.pooled, one.outcome.label).brier,
      0
    )
    expect(total((row) => row.brier)).toBeCloseTo(expected, 9)
    const base = said.reduce(
      (sum, { decision, outcome }) =>
        sum + lossesOf(decision.inputs.baseRate.probabilities, outcome.label).logLoss,
      0
    )
    expect(total((row) => row.baseLogLoss)).toBeCloseTo(base, 9)
    expect(new Set(scored.map(({ asOf, maturedAt }) => `${asOf}/${maturedAt}`)).size).toBe(scored.length)
    // Four bars ahead of the last decisions nothing has matured.
    expect(pending.size).toBeLessThanOrEqual(2 * 5)
  })

  it("is what the committee's calibrated probabilities were worth, outcome by outcome", () => {
    const skill = emptySkill()
    const early = rounds.slice(0, 60)
    for (const outcome of early.flatMap((round) => round.outcomes)) {
      const decision = decisions.find(
        ({ degraded, key }) =>
          degraded === null && key.instrument === outcome.instrument && key.asOf === outcome.asOf
      )
      if (decision === undefined) continue
      takeOutcome(skill, { label: outcome.label, probability: decision.calibrated[outcome.label] })
    }
    expect(skill.skills.length).toBeGreaterThan(50)
    const seen = fold(early)
    expect(seen.skill).toEqual(skill)
    expect(signalQualityOf(restarted(seen).skill)).toBe(signalQualityOf(skill))
    expect(signalQualityOf(seen.skill)).toBeTypeOf("number")
  })

  it("is the latest leans of each instrument, of decisions that somebody stood behind", () => {
    const { leans } = fold(rounds)
    for (const [instrument, own] of leans) {
      const all = decisions.filter(({ degraded, key }) => degraded === null && key.instrument === instrument)
      const expected = all.map(({ key, pooled }) => ({ asOf: key.asOf, lean: pooled.buy - pooled.sell }))
      expect(own).toEqual(expected.slice(-leansMax - 1))
    }
    const degraded = rounds.map((round) => ({
      ...round,
      decisions: round.decisions.map((decision) => ({ ...decision, degraded: "nobody was there" }))
    }))
    expect(fold(degraded)).toMatchObject({
      scored: [],
      leans: new Map(),
      pending: new Map(),
      skill: { skills: [] }
    })
  })

  it("goes on after a restart as if there had been none, whatever comes twice", () => {
    fc.assert(
      fc.property(fc.nat(rounds.length), fc.nat(10), (cut, twice) => {
        const from = restarted(fold(rounds.slice(0, cut)))
        const later = fold(rounds.slice(Math.max(0, cut - twice)), from)
        expect(later).toEqual(fold(rounds))
      }),
      { numRuns: 20 }
    )
  })

  it("takes a round in parts once it is whole, and a part that comes again changes nothing", () => {
    const [round] = rounds.slice(-1) as [Round]
    const parts = round.decisions.map((decision, part) => ({
      ...round,
      part,
      parts: round.decisions.length,
      outcomes: part === 0 ? round.outcomes : [],
      decisions: [decision]
    }))
    const before = rounds.slice(0, -1)
    const first = fold([...before, ...parts.slice(0, 1)])
    expect(first.barsSequence).toBe(before.at(-1)?.barsSequence)
    expect(fold([...parts.slice(0, 1), ...parts], restarted(first))).toEqual(fold(rounds))
  })

  it("waits for a bounded number of outcomes", () => {
    const [round] = rounds.slice(-1) as [Round]
    const [decision] = round.decisions
    if (decision === undefined) throw new Error("the last round has decisions")
    const many = Array.from({ length: pendingMax + 10 }, (_, i) => ({
      ...decision,
      key: { ...decision.key, asOf: i }
    }))
    expect(fold([{ ...round, decisions: many }]).pending.size).toBe(pendingMax)
  })

  it("reads of a round no more than it needs", () => {
    const decode = Schema.decodeUnknownSync(RoundForStreams.schema)
    const [decoded] = rounds.slice(-1).map((round) => decode(JSON.parse(JSON.stringify(round))))
    expect(fold([...rounds.slice(0, -1), decoded as unknown as Round])).toEqual(fold(rounds))
    expect(JSON.stringify(decoded).length).toBeLessThan(JSON.stringify(rounds.at(-1)).length / 2)
  })
})
