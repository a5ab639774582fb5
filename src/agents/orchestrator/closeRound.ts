/**
 * From answers to decisions: what matured is scored first, then each question is decided with what the committee
 * has earned by then. Pure; the agent around it asks, appends and publishes.
 */

import { labelOf } from "../../market/Label.ts"
import type { AccountSnapshot } from "../../protocols/Account.ts"
import {
  type Decision,
  type DecisionInputs,
  decisionId,
  type MaturedOutcome,
  type Policy,
  type RoundClosed
} from "../../protocols/Decision.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Answer, Question } from "../../protocols/Opinion.ts"
import type { Epoch, RunId } from "../../protocols/wire/Ids.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import { type Committee, type CommitteeOptions, committeeInputs, evolve, standingOf } from "./Committee.ts"
import { decide } from "./decide.ts"
import { baseRateOf, type MarketView, returnOf } from "./MarketView.ts"

export interface RoundOptions extends CommitteeOptions {
  readonly policy: Policy
  readonly run: RunId
}

export interface Circumstances {
  readonly asOf: number
  readonly barsSequence: number
  readonly account: AccountSnapshot | null
  readonly warmUp: boolean
  readonly ageMs: number
  readonly epoch: Epoch
  readonly traceId: string
}

type Round = RoundClosed["payload"]

/** Outcomes of the instruments' open questions whose horizon has passed. */
export const maturedOutcomes = (
  view: MarketView,
  committee: Committee,
  instruments: ReadonlySet<InstrumentId>,
  asOf: number,
  horizonBars: number
): ReadonlyArray<MaturedOutcome> => {
  const views = new Map(view.instruments.map((instrument) => [instrument.instrument, instrument]))
  return committee.standings.flatMap(({ instrument, pending }) => {
    const known = instruments.has(instrument) ? views.get(instrument) : undefined
    if (known === undefined) return []
    return pending.flatMap((question) => {
      const logReturn = returnOf(known, question.asOf, horizonBars)
      if (logReturn === undefined) return []
      const label = labelOf(logReturn, question.band)
      return [{ instrument, asOf: question.asOf, maturedAt: asOf, return: logReturn, label }]
    })
  })
}

const accountView = (account: AccountSnapshot | null, instrument: InstrumentId): DecisionInputs["account"] =>
  account === null
    ? null
    : {
        equity: account.equity,
        exposure: account.positions.find((position) => position.instrument === instrument)?.exposure ?? 0,
        stopped: account.stop !== null
      }

/** The models that answered. */
export const modelVersionsOf = (answers: ReadonlyArray<Answer>): Decision["modelVersions"] =>
  answers.flatMap((answer) =>
    answer._tag === "Opinion" && answer.modelVersion !== null
      ? [{ voter: answer.voter, version: answer.modelVersion }]
      : []
  )

/** The decision on one question. */
export const decideQuestion = (
  question: Question,
  answers: ReadonlyArray<Answer>,
  view: MarketView,
  committee: Committee,
  circumstances: Circumstances,
  options: RoundOptions
): Decision => {
  const { account, ageMs, epoch, traceId, warmUp } = circumstances
  const known = view.instruments.find(({ instrument }) => instrument === question.instrument)
  const inputs: DecisionInputs = {
    question,
    answers,
    ...committeeInputs(standingOf(committee, question.instrument, options), options),
    baseRate:
      known === undefined
        ? { probabilities: { sell: 1 / 3, hold: 1 / 3, buy: 1 / 3 }, outcomes: 0 }
        : baseRateOf(known),
    account: accountView(account, question.instrument),
    warmUp,
    ageMs,
    policy: options.policy
  }
  const { asOf, instrument, timeFrame } = question
  const key = { run: options.run, instrument, timeFrame, asOf }
  return {
    id: decisionId(key),
    key,
    ...decide(inputs),
    inputs,
    modelVersions: modelVersionsOf(answers),
    epoch,
    traceId
  }
}

/** Bytes of decisions in one event, well below what a message may be. */
const partBytesMax = Math.floor(Limits.payloadBytesMax * 0.7)
/** As many decisions as fit into one event whatever they hold. */
const decisionsSafeMax = 32

/** Events that the rounds of so many as-ofs come to at most. The first part of one that is cut may hold outcomes alone. */
export const roundEventsMax = (asOfs: number, decisions: number, instruments: number): number =>
  instruments <= decisionsSafeMax ? asOfs : asOfs + Math.floor((2 * decisions) / decisionsSafeMax)

/** Cuts a round so that each part fits into a message. The outcomes go with the first. */
const inParts = (round: Omit<Round, "part" | "parts">): ReadonlyArray<Round> => {
  const { decisions, outcomes, ...common } = round
  if (decisions.length <= decisionsSafeMax) return [{ ...round, part: 0, parts: 1 }]
  const groups: Array<Array<Decision>> = [[]]
  let bytes = JSON.stringify(outcomes).length
  for (const decision of decisions) {
    const size = JSON.stringify(decision).length
    if (bytes + size > partBytesMax) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)?.push(decision)
    bytes += size
  }
  return groups.map((group, part) => ({
    ...common,
    part,
    parts: groups.length,
    outcomes: part === 0 ? outcomes : [],
    decisions: group
  }))
}

/**
 * The round of one event of bars: at least one part, so that it is known to be settled even when nothing was
 * asked. What a crash cut off is not decided again: those instruments are left out.
 */
export const closeRound = (
  view: MarketView,
  committee: Committee,
  instruments: ReadonlySet<InstrumentId>,
  questions: ReadonlyArray<Question>,
  answers: ReadonlyMap<InstrumentId, ReadonlyArray<Answer>>,
  circumstances: Circumstances,
  options: RoundOptions
): ReadonlyArray<Round> => {
  const { asOf, barsSequence } = circumstances
  const outcomes = maturedOutcomes(view, committee, instruments, asOf, options.horizonBars)
  const scored = evolve(options)(committee, {
    payload: { asOf, barsSequence, outcomes, decisions: [], part: 0, parts: 2 }
  })
  const done = new Set(committee.unsettled)
  const decisions = questions
    .filter(({ instrument }) => !done.has(instrument))
    .map((question) =>
      decideQuestion(question, answers.get(question.instrument) ?? [], view, scored, circumstances, options)
    )
  return inParts({ asOf, barsSequence, outcomes, decisions })
}
