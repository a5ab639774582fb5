/** Work beside everything else: what keeps it from being done is told, and nothing else is. */
import { Cause, Effect } from "effect"

export const quietly = <E extends { readonly message: string }, R>(
  what: string,
  work: Effect.Effect<unknown, E, R>
) =>
  Effect.catchAllCause(work, (cause) => {
    const reason = Cause.squash(cause)
    const message = reason instanceof Error ? reason.message : String(reason)
    return Effect.logWarning(`${what} was not done: ${message}`, cause)
  })
