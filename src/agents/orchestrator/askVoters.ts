/**
 * Asks every voter in parallel, many instruments in one request, each try under its deadline. A voter that fails
 * is tried again, then asked for its previous model, then the baseline stands in for it, and where there is not
 * even a baseline it abstains. What a voter says is checked: it answers for itself and in order, or not at all.
 *
 * In lock-step nothing is decided by the clock: a voter that is away is waited for, up to the patience.
 */
import { Effect, Either, Fiber, Schedule } from "effect"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { Answer, ModelChoice, Opinion, Probabilities, Question } from "../../protocols/Opinion.ts"
import type { VoterRpcs } from "../../protocols/rpc/VoterRpcs.ts"
import { type CallError, InternalError, isTransient } from "../../protocols/wire/errors.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import { retrying } from "../../runtime/retrying.ts"

export interface Voter {
  readonly name: string
  readonly client: BusRpcClient.ClientOf<typeof VoterRpcs>
}

export interface BaseRate {
  readonly probabilities: Probabilities
  readonly outcomes: number
}

export interface AskOptions {
  readonly deadlineMs: number
  readonly tries: number
  /** In lock-step, how long a voter is waited for; null where the deadline rules. */
  readonly patienceMs: number | null
  /** Voters that were waited for in vain: they are not waited for again until they answer. */
  readonly absent: Set<string>
}

/** Between two tries. */
const againAfterMs = 20
const lookAgainMs = 100
/** Outcomes that a base rate has to rest on before it may stand in for anybody. */
const baselineOutcomesMin = 30

const opine = (voter: Voter, questions: ReadonlyArray<Question>, model: ModelChoice, deadlineMs: number) =>
  voter.client.Opine({ questions, model }).pipe(
    BusRpcClient.withDeadline(deadlineMs),
    Effect.filterOrFail(
      (answers) =>
        answers.length === questions.length &&
        answers.every(
          (answer, i) => answer.voter === voter.name && answer.instrument === questions[i]?.instrument
        ),
      () => new InternalError({ agent: voter.name, call: "Opine", incident: "answers-do-not-fit" })
    )
  )

/** The voter's active model, as often as it may be tried. */
const askActive = (voter: Voter, questions: ReadonlyArray<Question>, options: AskOptions) => {
  const { absent, deadlineMs, patienceMs, tries } = options
  if (patienceMs === null) {
    const schedule = Schedule.intersect(Schedule.recurs(tries - 1), Schedule.spaced(againAfterMs))
    return retrying(opine(voter, questions, "active", deadlineMs), { schedule, while: isTransient })
  }
  if (absent.has(voter.name)) return opine(voter, questions, "active", deadlineMs)
  const schedule = Schedule.upTo(Schedule.spaced(lookAgainMs), patienceMs)
  return retrying(opine(voter, questions, "active", patienceMs), { schedule, while: isTransient })
}

const standIn = (voter: Voter, question: Question, baseRate: BaseRate | undefined, why: string): Answer => {
  const { instrument, sigma } = question
  if (baseRate === undefined || baseRate.outcomes < baselineOutcomesMin) {
    return { _tag: "Abstention", voter: voter.name, instrument, reason: truncateReason(why) }
  }
  return {
    _tag: "Opinion",
    voter: voter.name,
    instrument,
    probabilities: baseRate.probabilities,
    expectedReturn: 0,
    spread: sigma,
    reason: truncateReason(why),
    modelVersion: null,
    standIn: "baseline"
  }
}

const askVoter = Effect.fnUntraced(function* (
  voter: Voter,
  questions: ReadonlyArray<Question>,
  baseRates: ReadonlyMap<string, BaseRate>,
  options: AskOptions
) {
  const active = yield* Effect.either(askActive(voter, questions, options))
  if (Either.isRight(active)) {
    options.absent.delete(voter.name)
    return active.right
  }
  const why: CallError = active.left
  if (options.patienceMs !== null) options.absent.add(voter.name)
  yield* Effect.logWarning(`${voter.name} did not answer: ${why.message}`)
  // Nobody there is nobody there: the previous model lives with the same agent.
  const previous =
    why._tag === "AgentUnreachable"
      ? Either.left(why)
      : yield* Effect.either(opine(voter, questions, "previous", options.deadlineMs))
  if (Either.isRight(previous)) {
    return previous.right.map(
      (answer): Answer =>
        answer._tag === "Opinion" ? ({ ...answer, standIn: "previous" } satisfies Opinion) : answer
    )
  }
  return questions.map((question) =>
    standIn(voter, question, baseRates.get(question.instrument), why.message)
  )
})

/** Every voter's answer to every question, by instrument and then in the order of the voters. */
export const askVoters = Effect.fnUntraced(function* (
  voters: ReadonlyArray<Voter>,
  questions: ReadonlyArray<Question>,
  baseRates: ReadonlyMap<string, BaseRate>,
  options: AskOptions
) {
  const batches: Array<ReadonlyArray<Question>> = []
  for (let at = 0; at < questions.length; at += Limits.questionsPerRequestMax) {
    batches.push(questions.slice(at, at + Limits.questionsPerRequestMax))
  }
  const asked: Array<Array<Fiber.Fiber<ReadonlyArray<Answer>>>> = []
  for (const voter of voters) {
    const fibers = []
    for (const batch of batches) fibers.push(yield* Effect.fork(askVoter(voter, batch, baseRates, options)))
    asked.push(fibers)
  }
  const byVoter: Array<ReadonlyArray<Answer>> = []
  for (const fibers of asked) {
    const answers = []
    for (const fiber of fibers) answers.push(...(yield* yield* Fiber.await(fiber)))
    byVoter.push(answers)
  }
  return new Map(
    questions.map(
      (question, i) => [question.instrument, byVoter.map((answers) => answers[i] as Answer)] as const
    )
  )
})

/** Abstentions of everybody, where nobody is asked. */
export const unasked = (
  voters: ReadonlyArray<Voter>,
  questions: ReadonlyArray<Question>,
  why: string
): ReadonlyMap<InstrumentId, ReadonlyArray<Answer>> =>
  new Map(
    questions.map(({ instrument }) => [
      instrument,
      voters.map(({ name }): Answer => ({ _tag: "Abstention", voter: name, instrument, reason: why }))
    ])
  )
