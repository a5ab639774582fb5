/** Failures of models and their files are no answer to a caller: they are logged here, and he hears that there was something. */
import { Effect } from "effect"
import type { TimeFrameUnfit } from "../../market/errors.ts"
import type { ArtefactRefused, UnknownModel } from "../../protocols/errors.ts"
import { InternalError } from "../../protocols/wire/errors.ts"
import type { AgentName } from "../../protocols/wire/Ids.ts"
import type { ChildFailed } from "../../runtime/errors.ts"

type OfModels = ChildFailed | ArtefactRefused | UnknownModel | TimeFrameUnfit
const ofModels: ReadonlySet<string> = new Set<OfModels["_tag"]>([
  "ChildFailed",
  "ArtefactRefused",
  "UnknownModel",
  "TimeFrameUnfit"
])

export const orInternal =
  (agent: AgentName) =>
  <A, E extends { readonly _tag: string; readonly message: string }, R>(
    call: string,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, Exclude<E, OfModels> | InternalError, R> =>
    Effect.catchAll(effect, (error): Effect.Effect<never, Exclude<E, OfModels> | InternalError> => {
      if (!ofModels.has(error._tag)) return Effect.fail(error as Exclude<E, OfModels>)
      return Effect.zipRight(
        Effect.logWarning(`${agent} cannot answer "${call}": ${error.message}`),
        new InternalError({ agent, call, incident: "model-unavailable" })
      )
    })
