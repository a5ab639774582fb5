import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Committee from "../../../src/agents/orchestrator/Committee.ts"
import {
  closeRound,
  decideQuestion,
  maturedOutcomes,
  roundEventsMax
} from "../../../src/agents/orchestrator/closeRound.ts"
import * as MarketView from "../../../src/agents/orchestrator/MarketView.ts"
import { Decision, decisionId, RoundClosed } from "../../../src/protocols/Decision.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import type { Answer } from "../../../src/protocols/Opinion.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import { run, simulated } from "../feedEvents.ts"
import { abstention, digest, voters } from "./inputs.ts"
import {
  answersTo,
  circumstancesOf,
  emptySitting,
  evolveView,
  horizonBars,
  questionsOf,
  roundOptions,
  session,
  sit,
  snapshot
} from "./rounds.ts"

/** A market of so many instruments, as far as the first questions, with what everybody answers. */
const firstRound = (instruments: number) => {
  const { events } = simulated({ seed: 3, count: 30, instruments })
  const view = events.reduce(evolveView, MarketView.empty)
  const event = events.at(-1) as (typeof events)[number]
  const questions = questionsOf(view, event)
  return {
    view,
    event,
    questions,
    present: new Set(event.payload.bars.map(({ instrument }) => instrument)),
    answers: new Map<InstrumentId, ReadonlyArray<Answer>>(
      questions.map((question) => [question.instrument, answersTo(question)])
    )
  }
}

const close = (
  { answers, event, present, questions, view }: ReturnType<typeof firstRound>,
  committee = Committee.empty
) => closeRound(view, committee, present, questions, answers, circumstancesOf(event, 30), roundOptions)

describe("closing a round", () => {
  it("decides every question once, under the id that follows from its key", () => {
    const round = firstRound(3)
    const [part, ...others] = close(round)
    expect(others).toEqual([])
    expect(part).toMatchObject({ part: 0, parts: 1, barsSequence: 30, asOf: round.event.payload.asOf })
    expect(part?.decisions.map(({ key }) => key.instrument)).toEqual([...round.present])
    for (const { id, inputs, key, modelVersions } of part?.decisions ?? []) {
      expect(id).toBe(decisionId({ ...key, run }))
      expect(key.asOf).toBe(inputs.question.asOf)
      const own = inputs.answers.filter(({ _tag }) => _tag === "Opinion")
      expect(modelVersions).toEqual(own.map(({ voter }) => ({ voter, version: digest("a") })))
    }
  })

  it("is settled by a part of its own even when nothing was asked", () => {
    const { event, present, view } = firstRound(1)
    const rounds = closeRound(
      view,
      Committee.empty,
      present,
      [],
      new Map(),
      circumstancesOf(event, 30),
      roundOptions
    )
    expect(rounds).toEqual([
      { asOf: event.payload.asOf, barsSequence: 30, part: 0, parts: 1, outcomes: [], decisions: [] }
    ])
  })

  it("scores what matured before it decides: the weights are those after the outcomes of the same bars", () => {
    const before = session(4, 60)
    const event = simulated({ seed: 4, count: 61 }).events[60] as Parameters<typeof sit>[1]
    const after = sit(before, event)
    const round = after.rounds.at(-1)
    expect(round?.outcomes.length).toBe(2)
    for (const { inputs, key } of round?.decisions ?? []) {
      const earlier = Committee.standingOf(before.committee, key.instrument, roundOptions)
      const later = Committee.standingOf(after.committee, key.instrument, roundOptions)
      const weights = inputs.weights.map(({ weight }) => weight)
      expect(weights).toEqual(later.weights)
      expect(weights).not.toEqual(earlier.weights)
    }
  })

  it("finds outcomes only of instruments whose bars have come", () => {
    const { committee, view } = session(4, 60)
    const event = simulated({ seed: 4, count: 61 }).events[60] as Parameters<typeof sit>[1]
    const next = evolveView(view, event)
    const all = new Set(event.payload.bars.map(({ instrument }) => instrument))
    const [first] = all
    const one = new Set(first === undefined ? [] : [first])
    const of = (instruments: ReadonlySet<InstrumentId>) =>
      maturedOutcomes(next, committee, instruments, event.payload.asOf, horizonBars).map(
        ({ instrument }) => instrument
      )
    expect(of(all)).toEqual([...all])
    expect(of(one)).toEqual([...one])
    expect(of(new Set())).toEqual([])
  })

  it("does not decide again what a crash left decided", () => {
    const round = firstRound(3)
    const [whole] = close(round)
    const [first] = whole?.decisions ?? []
    const cut = Committee.evolve(roundOptions)(Committee.empty, {
      payload: {
        ...(whole as NonNullable<typeof whole>),
        parts: 2,
        decisions: first === undefined ? [] : [first]
      }
    })
    const rest = close(round, cut).flatMap(({ decisions }) => decisions)
    expect(rest.map(({ id }) => id)).toEqual(whole?.decisions.slice(1).map(({ id }) => id))
  })

  it("cuts a round of many instruments into parts that fit into messages, and loses none", () => {
    const round = firstRound(420)
    const parts = close(round)
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.length).toBeLessThanOrEqual(roundEventsMax(1, 420, 420))
    expect(parts.map(({ part, parts: of }) => [part, of])).toEqual(parts.map((_, i) => [i, parts.length]))
    for (const part of parts) {
      expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThan(Limits.payloadBytesMax)
    }
    expect(parts.flatMap(({ decisions }) => decisions).length).toBe(round.questions.length)
    const inOne = parts.reduce(
      (state, payload) => Committee.evolve(roundOptions)(state, { payload }),
      Committee.empty
    )
    expect(inOne).toMatchObject({ rounds: 1, decisions: round.questions.length, barsSequence: 30 })
  })

  it("writes what a reader of the journal accepts", () => {
    const { rounds } = session(8, 50)
    const is = Schema.is(RoundClosed.schema)
    expect(rounds.every((round) => is(round))).toBe(true)
    expect(rounds.some(({ decisions, outcomes }) => decisions.length > 0 && outcomes.length > 0)).toBe(true)
  })

  it("comes to the same bytes from the same bars and answers", () => {
    expect(canonicalJson(session(9, 60).rounds)).toBe(canonicalJson(session(9, 60).rounds))
    expect(canonicalJson(session(9, 60).rounds)).not.toBe(canonicalJson(session(10, 60).rounds))
  })

  it("is not changed by what came after: a shorter history's rounds are the beginning of a longer one's", () => {
    const whole = session(12, 80).rounds
    for (const cut of [21, 30, 55, 79]) {
      expect(canonicalJson(session(12, cut).rounds)).toBe(canonicalJson(whole.slice(0, cut)))
    }
  })
})

describe("the decision on a question", () => {
  const { event, questions, view } = firstRound(1)
  const question = questions[0] as (typeof questions)[number]
  const decided = (changes: Parameters<typeof circumstancesOf>[2], answers = answersTo(question)) =>
    decideQuestion(
      question,
      answers,
      view,
      emptySitting.committee,
      circumstancesOf(event, 30, changes),
      roundOptions
    )

  it("sees of the account what concerns its instrument", () => {
    const position = {
      instrument: question.instrument,
      lots: 5,
      price: 1,
      value: 1,
      exposure: 0.3,
      profit: 0
    }
    const other = { ...position, instrument: "sim:OTHER:spot" as InstrumentId, exposure: 0.9 }
    const account = snapshot({ equity: 500, positions: [other, position] })
    expect(decided({ account }).inputs.account).toEqual({ equity: 500, exposure: 0.3, stopped: false })
    expect(decided({ account: snapshot({ positions: [other] }) }).inputs.account?.exposure).toBe(0)
    const stopped = snapshot({ stop: { reason: "enough", flat: false } })
    expect(decided({ account: stopped }).inputs.account?.stopped).toBe(true)
    expect(decided({ account: null }).inputs.account).toBeNull()
  })

  it("holds all its inputs by value: the record decodes, and says under which epoch and in which trace", () => {
    const decision = decided({ ageMs: 7, warmUp: true })
    expect(Schema.decodeUnknownSync(Decision)(JSON.parse(JSON.stringify(decision)))).toEqual(decision)
    expect(decision.inputs).toMatchObject({ ageMs: 7, warmUp: true, question })
    expect(decision).toMatchObject({ epoch: 1, traceId: "0".repeat(32) })
  })

  it("is degraded when nobody was there to be asked", () => {
    expect(decided({}, []).strategy).toBe("degraded")
    expect(
      decided(
        {},
        voters.map((voter) => abstention(voter))
      ).degraded
    ).toContain("no quorum")
  })
})
