/** When a stream is published next. Intervals lie on a grid, so that what is due does not depend on what was published. */
import { Effect } from "effect"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"

/** Whether an interval has begun since an instant: by the bars' time in lock-step, by the clock otherwise. */
export const isDue = (everyMs: number, before: number, now: number): boolean =>
  Math.floor(now / everyMs) > Math.floor(before / everyMs)

/** Between two publications of a lock-step run, in the bars' time: not more often than every so many bars. */
export const lockStepInterval = (everyMs: number, frameMs: number, everyBars: number): number =>
  Math.max(everyMs, everyBars * frameMs)

/**
 * Runs an action at once and then whenever an interval of the monotonic clock begins, without end. One run at a time: the
 * intervals that begin meanwhile, or while the machine stands still, are made up for by one.
 */
export const everyInterval = <R>(
  everyMs: number,
  action: Effect.Effect<void, never, R>
): Effect.Effect<never, never, R> =>
  Effect.flatMap(monotonicMs, (now) => {
    // A timer may fire a little early: then the rest is waited for.
    const untilDue = (before: number): Effect.Effect<void> =>
      Effect.suspend(() =>
        isDue(everyMs, before, now())
          ? Effect.void
          : Effect.zipRight(Effect.sleep(Math.ceil(everyMs - (now() % everyMs))), untilDue(before))
      )
    return Effect.forever(
      Effect.suspend(() => {
        const begun = now()
        return Effect.zipRight(action, untilDue(begun))
      })
    )
  })
