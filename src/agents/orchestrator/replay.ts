/**
 * Recomputes a decision from its record, and on demand asks the recorded model versions again. What the record
 * says and what follows from it must be the same to the last digit.
 */
import { Effect, Either, Option } from "effect"
import { type Decision, type DecisionOutcome, decisionId } from "../../protocols/Decision.ts"
import type { Answer } from "../../protocols/Opinion.ts"
import type { Replayed } from "../../protocols/rpc/OrchestratorRpcs.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import type { Voter } from "./askVoters.ts"
import { modelVersionsOf } from "./closeRound.ts"
import { decide } from "./decide.ts"

/** Fields that differ between the record and what follows from the rest of it. */
export const differencesOf = (decision: Decision, recomputed: DecisionOutcome): ReadonlyArray<string> => {
  const { answers, question } = decision.inputs
  const { asOf, instrument, timeFrame } = question
  const following = {
    id: decisionId(decision.key),
    key: { run: decision.key.run, instrument, timeFrame, asOf },
    ...recomputed,
    modelVersions: modelVersionsOf(answers)
  }
  return (Object.keys(following) as ReadonlyArray<keyof typeof following>).filter(
    (field) => canonicalJson(following[field]) !== canonicalJson(decision[field])
  )
}

const probabilityDifference = (recorded: Answer, now: Answer): number | null => {
  if (recorded._tag !== "Opinion" || now._tag !== "Opinion") return null
  const sides = ["sell", "hold", "buy"] as const
  return Math.max(...sides.map((side) => Math.abs(recorded.probabilities[side] - now.probabilities[side])))
}

/** Asks the version that answered then. */
const askAgain = (decision: Decision, recorded: Answer, voters: ReadonlyArray<Voter>) =>
  Effect.gen(function* () {
    const { question } = decision.inputs
    const voter = voters.find(({ name }) => name === recorded.voter)
    const version = recorded._tag === "Opinion" ? recorded.modelVersion : null
    if (voter === undefined || version === null)
      return { recorded, now: recorded, probabilityDifferenceMax: null }
    const asked = yield* Effect.either(voter.client.Opine({ questions: [question], model: version }))
    const [answered] = Either.isRight(asked) ? asked.right : []
    const reason = Either.isLeft(asked) ? asked.left.message : "no answer came"
    const now: Answer = answered ?? {
      _tag: "Abstention",
      voter: recorded.voter,
      instrument: question.instrument,
      reason: truncateReason(reason)
    }
    return { recorded, now, probabilityDifferenceMax: probabilityDifference(recorded, now) }
  })

export const replay = (
  decision: Decision,
  voters: Option.Option<ReadonlyArray<Voter>>
): Effect.Effect<Replayed> =>
  Effect.gen(function* () {
    const recomputed = decide(decision.inputs)
    const deep = Option.isNone(voters)
      ? null
      : yield* Effect.forEach(decision.inputs.answers, (answer) => askAgain(decision, answer, voters.value))
    return { decision, recomputed, differences: differencesOf(decision, recomputed), deep }
  })
