/** What every voter answers: the deep-learning and the reinforcement-learning agent serve the same calls. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { Answer, ModelChoice, Question } from "../Opinion.ts"
import { Limits } from "../wire/Limits.ts"
import { call } from "../wire/Rpc.ts"

/** One answer to each question, in their order; what cannot be answered is an abstention. */
export const Opine = call("Opine", {
  payload: {
    questions: Schema.Array(Question).pipe(
      Schema.minItems(1),
      Schema.maxItems(Limits.questionsPerRequestMax)
    ),
    model: ModelChoice
  },
  success: Schema.Array(Answer)
})

export class VoterRpcs extends RpcGroup.make(Opine) {}
