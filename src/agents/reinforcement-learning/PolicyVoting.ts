/**
 * Who answers a round: the policy that votes, on what it has learned of; the Q-table on everything else, and on everything where
 * no policy votes. Who stands in for a policy that cannot be run: the version before it, then the Q-table.
 *
 * Invariant: every question has one answer, in its place.
 */
import { Effect, Either } from "effect"
import type { Answer, Question, StandIn } from "../../protocols/Opinion.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import type * as Progress from "../../runtime/Progress.ts"
import type { AnswerError, Answering } from "../voter/Addition.ts"
import { type Ask, divided } from "../voter/divided.ts"
import { beforeChampion, champion, type Policies } from "./Policies.ts"
import { type PolicyAnswering, whyNot } from "./PolicyAnswers.ts"

/** A model of somebody else's in the place of the one that was asked. */
const inPlace = (answers: ReadonlyArray<Answer>, standIn: StandIn, why: string): ReadonlyArray<Answer> =>
  answers.map((answer) =>
    answer._tag === "Opinion"
      ? { ...answer, standIn, reason: truncateReason(`${answer.reason}; ${why}`) }
      : answer
  )

type Asked = Ask<Answer, AnswerError>

export const makePolicyVoting = (parts: {
  readonly policies: Policies
  readonly answering: Pick<PolicyAnswering<AnswerError>, "answer" | "describe">
  readonly table: Answering
  readonly known: Progress.Progress
}): Answering => {
  const { answering, known, policies, table } = parts

  /** Where a version cannot be read, it is asked of everything, and meets what is wrong. */
  const byLearned = (version: string, questions: ReadonlyArray<Question>, own: Asked, rest: Asked) =>
    Effect.gen(function* () {
      const described = yield* Effect.either(answering.describe(version))
      if (Either.isLeft(described)) return yield* own(questions)
      return yield* divided(
        questions,
        (question) => whyNot(described.right, question) === undefined,
        own,
        rest
      )
    })

  const orStandIn = (version: string, previous: string | null, questions: ReadonlyArray<Question>) =>
    Effect.gen(function* () {
      const first = yield* Effect.either(answering.answer(version, questions))
      if (Either.isRight(first)) return first.right
      const why = `in the place of ${version.slice(0, 12)}: ${first.left.message}`
      yield* Effect.logWarning(`The policy ${version.slice(0, 12)} cannot be run: ${first.left.message}`)
      const byTable: Asked = (some) =>
        Effect.map(table(some, "active"), (answers) => inPlace(answers, "baseline", why))
      if (previous === null) return yield* byTable(questions)
      const byPrevious: Asked = (some) =>
        Effect.map(answering.answer(previous, some), (answers) => inPlace(answers, "previous", why))
      const second = yield* Effect.either(byLearned(previous, questions, byPrevious, byTable))
      return Either.isRight(second) ? second.right : yield* byTable(questions)
    })

  const byActive: Asked = (questions) => table(questions, "active")
  const byTableBefore: Asked = (questions) => table(questions, "previous")

  return (questions, model) =>
    Effect.gen(function* () {
      // What votes is looked up once the as-of is known: what was due at it has been made by then.
      yield* known.reached(questions.reduce((latest, { asOf }) => Math.max(latest, asOf), 0))
      const [first] = questions
      if (model !== "active" && model !== "previous") {
        const isPolicy = policies.manifests.has(model)
        return yield* isPolicy ? answering.answer(model, questions) : table(questions, model)
      }
      const votes = first === undefined ? undefined : champion(policies, first.timeFrame)
      if (first === undefined || votes === undefined) return yield* table(questions, model)
      const version = votes.manifest.digest
      const before = beforeChampion(policies, first.timeFrame)
      if (model === "active") {
        return yield* byLearned(version, questions, (own) => orStandIn(version, before, own), byActive)
      }
      const byBefore: Asked =
        before === null
          ? byActive
          : (own) => byLearned(before, own, (some) => answering.answer(before, some), byActive)
      return yield* byLearned(version, questions, byBefore, byTableBefore)
    })
}
