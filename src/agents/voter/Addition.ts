/** What an agent does beside voting, and what the voter gives it to do that with. */
import { Effect } from "effect"
import type { BarsEvent } from "../../protocols/Bar.ts"
import type { StorageFailed } from "../../protocols/errors.ts"
import type { Deployment, ModelEvent } from "../../protocols/Model.ts"
import type { Answer, ModelChoice, Question } from "../../protocols/Opinion.ts"
import type { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { VoterRpcs } from "../../protocols/rpc/VoterRpcs.ts"
import { type CallError, InternalError } from "../../protocols/wire/errors.ts"
import type { AgentName } from "../../protocols/wire/Ids.ts"
import type * as BusRpcClient from "../../runtime/BusRpcClient.ts"
import type { ChildFailed } from "../../runtime/errors.ts"
import type * as Progress from "../../runtime/Progress.ts"
import type { ModelHost } from "../model-host/ModelHost.ts"
import type * as RowRuns from "../model-host/RowRuns.ts"
import { serveAgent } from "../NodeContext.ts"
import type * as ArtefactsOf from "./Artefacts.ts"

type Artefacts = ReturnType<typeof ArtefactsOf.make>
export type AnswerError =
  | Effect.Effect.Error<ReturnType<Artefacts["fetch"]>>
  | CallError
  | StorageFailed
  | ChildFailed

/** Answers to questions, one each, in their order. */
export type Answering = (
  questions: ReadonlyArray<Question>,
  model: ModelChoice
) => Effect.Effect<ReadonlyArray<Answer>, AnswerError>

/** What every voter has, for what one of them does beside voting. */
export interface Voter<State> {
  readonly state: () => State
  /** The as-of up to which bars have been applied and a due model made. */
  readonly known: Progress.Progress
  /** Milliseconds between two as-ofs; null in lock-step. */
  readonly paceMs: () => number | null
  readonly isWarmUp: () => boolean
  /** What the learner has deployed last. */
  readonly active: () => Deployment | null
  readonly host: typeof ModelHost.Service
  readonly runs: RowRuns.RowRuns<AnswerError>
  readonly artefacts: Artefacts
  readonly context: BusRpcClient.ClientOf<typeof ContextRpcs>
  /** The answers of the learner's own models. */
  readonly answering: Answering
}

/** What a voter does beside voting by the models of its learner. */
export interface Addition<State, E, R> {
  /** On each event of bars, once the state has it and before its as-of counts as known. */
  readonly onBars: (event: BarsEvent, state: State) => Effect.Effect<void, E, R>
  readonly onModels: (event: ModelEvent) => Effect.Effect<void, E, R>
  /** Answers in the place of the learner's. */
  readonly answering: Answering
  /** Serves its calls, `Opine` among them. */
  readonly serve: (opine: Answering) => Effect.Effect<void, E, R>
}

export type Add<State, E, R, MakeE, MakeR> = (
  voter: Voter<State>
) => Effect.Effect<Addition<State, E, R>, MakeE, MakeR>

/** Nothing but voting. */
export const votingOnly =
  (name: AgentName) =>
  <State>({ answering }: Voter<State>) =>
    Effect.succeed({
      onBars: () => Effect.void,
      onModels: () => Effect.void,
      answering,
      serve: (opine: Answering) =>
        Effect.provide(
          serveAgent(VoterRpcs, name),
          VoterRpcs.toLayer({ Opine: ({ model, questions }) => orUnavailable(name, opine(questions, model)) })
        )
    })

/** What keeps a model from answering is logged here; the caller hears that there was something. */
export const orUnavailable = <A>(name: AgentName, answers: Effect.Effect<A, AnswerError>) =>
  Effect.catchAll(answers, (error) =>
    Effect.zipRight(
      Effect.logWarning(`${name} cannot answer: ${error.message}`),
      new InternalError({ agent: name, call: "Opine", incident: "model-unavailable" })
    )
  )
