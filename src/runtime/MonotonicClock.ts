/**
 * Elapsed time that no step of the wall clock can bend: for deadlines, leases and heartbeats. Effect's own
 * `Clock.currentTimeMillis` is the wall clock; its nanosecond counter is monotonic, and the test clock moves
 * both.
 */
import { type Clock, Effect } from "effect"

/** A function that reads milliseconds since some fixed instant, of the clock in force. */
export const monotonicMs: Effect.Effect<() => number> = Effect.map(
  Effect.clock,
  (clock: Clock.Clock) => () => Number(clock.unsafeCurrentTimeNanos() / 1_000n) / 1_000
)
