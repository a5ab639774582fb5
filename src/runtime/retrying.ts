/** Retries that cost nothing while all goes well: a schedule is set up only once there is something to retry. */
import { Effect, type Schedule } from "effect"

/** As `Effect.retry` with a schedule and a condition. */
export const retrying = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: {
    readonly schedule: Schedule.Schedule<unknown, NoInfer<E>>
    readonly while: (error: NoInfer<E>) => boolean
  }
): Effect.Effect<A, E, R> =>
  Effect.catchAll(effect, (error) => {
    if (!options.while(error)) return Effect.fail(error)
    let isFirst = true
    // The failure that has been is the first that the schedule sees.
    const again = Effect.suspend(() => {
      if (!isFirst) return effect
      isFirst = false
      return Effect.fail(error)
    })
    return Effect.retry(again, options)
  })
