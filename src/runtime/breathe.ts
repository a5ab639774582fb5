/**
 * Lets the event loop serve what waits: sockets, timers, other processes' answers. Effect's own yield goes on within
 * the microtasks, and long work that yields by it alone starves all of these.
 */
import { Effect } from "effect"

export const breathe: Effect.Effect<void> = Effect.async<void>((resume) => {
  const waiting = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(waiting))
})

/** Runs work that comes in steps, breathing between them. */
export const stepwise = <A>(work: Generator<void, A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const next: Effect.Effect<A> = Effect.suspend(() => {
      const step = work.next()
      return step.done === true ? Effect.succeed(step.value) : Effect.zipRight(breathe, next)
    })
    return next
  })
