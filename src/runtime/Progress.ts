/** A position that only rises, and those who wait for it to reach somewhere. */
import { Effect } from "effect"

export interface Progress {
  readonly current: () => number
  readonly advance: (to: number) => void
  /** Returns once the position is at least this; at once if it is. */
  readonly reached: (position: number) => Effect.Effect<void>
}

export const make = (initial: number): Progress => {
  let current = initial
  let waiters: Array<{ readonly position: number; readonly wake: () => void }> = []
  return {
    current: () => current,
    advance: (to) => {
      if (to <= current) return
      current = to
      if (waiters.length === 0) return
      const woken = waiters.filter((waiter) => waiter.position <= to)
      waiters = waiters.filter((waiter) => waiter.position > to)
      for (const waiter of woken) waiter.wake()
    },
    reached: (position) =>
      Effect.suspend(() =>
        current >= position
          ? Effect.void
          : Effect.async<void>((resume): Effect.Effect<void> | undefined => {
              if (current >= position) {
                resume(Effect.void)
                return undefined
              }
              const waiter = { position, wake: () => resume(Effect.void) }
              waiters.push(waiter)
              return Effect.sync(() => {
                waiters = waiters.filter((other) => other !== waiter)
              })
            })
      )
  }
}
