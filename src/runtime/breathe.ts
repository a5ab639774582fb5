/**
 * Lets the event loop serve what waits: sockets, timers, other processes' answers. Effect's own yield goes on within
 * the microtasks, and long work that yields by it alone starves all of these.
 */
import { Effect } from "effect"

export const breathe: Effect.Effect<void> = Effect.async<void>((resume) => {
  const waiting = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(waiting))
})
