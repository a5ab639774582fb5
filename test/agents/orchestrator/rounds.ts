/** A committee that sits without its agents: rounds over bars, by the same pure parts. */
import * as Committee from "../../../src/agents/orchestrator/Committee.ts"
import {
  type Circumstances,
  closeRound,
  type RoundOptions
} from "../../../src/agents/orchestrator/closeRound.ts"
import * as MarketView from "../../../src/agents/orchestrator/MarketView.ts"
import type { AccountSnapshot } from "../../../src/protocols/Account.ts"
import type { BarsClosed } from "../../../src/protocols/Bar.ts"
import type { RoundClosed } from "../../../src/protocols/Decision.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import type { Answer, Question } from "../../../src/protocols/Opinion.ts"
import { Epoch } from "../../../src/protocols/wire/Ids.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { run, simulated } from "../feedEvents.ts"
import { abstention, digest, members, opinion, policy, voters } from "./inputs.ts"

export type Round = RoundClosed["payload"]

export const horizonBars = 4
export const viewOptions = { horizonBars, roundTripCost: 0.0014 }
export const roundOptions: RoundOptions = {
  members,
  horizonBars,
  hedgeRate: 1,
  hedgeShare: 0.01,
  evidenceMax: 8,
  policy,
  run
}
export const evolveCommittee = Committee.evolve(roundOptions)
export const evolveView = MarketView.evolve(viewOptions)

export const snapshot = (changes: Partial<AccountSnapshot> = {}): AccountSnapshot => ({
  account: "paper",
  currency: "USD",
  asOf: null,
  barsSequence: 0,
  decisionsSequence: 0,
  startingCash: 100_000,
  cash: 100_000,
  equity: 100_000,
  fees: 0,
  fills: 0,
  turnover: 0,
  openOrders: 0,
  positions: [],
  stop: null,
  feedEnded: false,
  digest: digest("0"),
  ...changes
})

export const circumstancesOf = (
  event: BarsClosed,
  barsSequence: number,
  changes: Partial<Circumstances> = {}
): Circumstances => ({
  asOf: event.payload.asOf,
  barsSequence,
  account: snapshot(),
  warmUp: event.payload.warmUp,
  ageMs: 0,
  epoch: Epoch.make(1),
  traceId: "0".repeat(32),
  ...changes
})

/** What the voters say to a question: something or nothing, the same whenever it is asked. */
export const answersTo = (question: Question): ReadonlyArray<Answer> =>
  voters.map((voter) => {
    const random = keyedRandom("answers", voter, question.instrument, question.asOf)
    if (random.next() < 0.15) return { ...abstention(voter), instrument: question.instrument }
    const [sell, hold, buy] = [random.next(), random.next(), random.next()] as [number, number, number]
    const sum = sell + hold + buy
    return opinion(voter, {
      instrument: question.instrument,
      probabilities: { sell: sell / sum, hold: hold / sum, buy: buy / sum },
      expectedReturn: 0.01 * random.normal()
    })
  })

export interface Sitting {
  readonly view: MarketView.MarketView
  readonly committee: Committee.Committee
  readonly rounds: ReadonlyArray<Round>
}

/** Questions of the instruments whose bars have come. */
export const questionsOf = (view: MarketView.MarketView, event: BarsClosed): ReadonlyArray<Question> => {
  const present = new Set(event.payload.bars.map(({ instrument }) => instrument))
  return view.instruments.flatMap((known) =>
    present.has(known.instrument) ? (MarketView.questionOf(view, known, viewOptions) ?? []) : []
  )
}

export const emptySitting: Sitting = { view: MarketView.empty, committee: Committee.empty, rounds: [] }

/** One round, settled. Bars stand at the positions 1, 2, … of their stream. */
export const sit = (before: Sitting, event: BarsClosed): Sitting => {
  const view = evolveView(before.view, event)
  const questions = questionsOf(view, event)
  const answers = new Map<InstrumentId, ReadonlyArray<Answer>>(
    questions.map((question) => [question.instrument, answersTo(question)])
  )
  const instruments = new Set(event.payload.bars.map(({ instrument }) => instrument))
  const circumstances = circumstancesOf(event, event.payload.index + 1)
  const rounds = closeRound(
    view,
    before.committee,
    instruments,
    questions,
    answers,
    circumstances,
    roundOptions
  )
  const committee = rounds.reduce((state, payload) => evolveCommittee(state, { payload }), before.committee)
  return { view, committee, rounds: [...before.rounds, ...rounds] }
}

/** So many bars of a simulated market, sat over to the end. */
export const session = (seed: number, count: number, instruments = 2): Sitting =>
  simulated({ seed, count, instruments }).events.reduce(sit, emptySitting)
