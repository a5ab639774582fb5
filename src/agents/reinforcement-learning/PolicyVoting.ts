/**
 * Who answers a round: the policy that votes where there is one, else the Q-table; and who stands in for a policy that cannot be
 * run: the version before it, then the Q-table.
 */
import { Effect, Either } from "effect"
import type { Answer, Question, StandIn } from "../../protocols/Opinion.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import type * as Progress from "../../runtime/Progress.ts"
import type { AnswerError, Answering } from "../voter/Addition.ts"
import { beforeChampion, champion, type Policies } from "./Policies.ts"
import type { PolicyAnswering } from "./PolicyAnswers.ts"

/** A model of somebody else's in the place of the one that was asked. */
const inPlace = (answers: ReadonlyArray<Answer>, standIn: StandIn, why: string): ReadonlyArray<Answer> =>
  answers.map((answer) =>
    answer._tag === "Opinion"
      ? { ...answer, standIn, reason: truncateReason(`${answer.reason}; ${why}`) }
      : answer
  )

export const makePolicyVoting = (parts: {
  readonly policies: Policies
  readonly answering: Pick<PolicyAnswering<AnswerError>, "answer">
  readonly table: Answering
  readonly known: Progress.Progress
}): Answering => {
  const { answering, known, policies, table } = parts

  const orStandIn = (version: string, previous: string | null, questions: ReadonlyArray<Question>) =>
    Effect.gen(function* () {
      const first = yield* Effect.either(answering.answer(version, questions))
      if (Either.isRight(first)) return first.right
      const why = `in the place of ${version.slice(0, 12)}: ${first.left.message}`
      yield* Effect.logWarning(`The policy ${version.slice(0, 12)} cannot be run: ${first.left.message}`)
      const second =
        previous === null ? undefined : yield* Effect.either(answering.answer(previous, questions))
      if (second !== undefined && Either.isRight(second)) return inPlace(second.right, "previous", why)
      return inPlace(yield* table(questions, "active"), "baseline", why)
    })

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
      const before = beforeChampion(policies, first.timeFrame)
      if (model === "active") return yield* orStandIn(votes.manifest.digest, before, questions)
      return yield* before === null ? table(questions, "active") : answering.answer(before, questions)
    })
}
