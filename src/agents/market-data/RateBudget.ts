/**
 * The requests that a venue is asked by this node: a token bucket that all who ask the venue draw from. Whoever finds
 * it empty waits for its turn, and gives up its place when it is interrupted.
 *
 * Invariant: within no minute are more requests begun than the budget allows, what the full bucket held included.
 */
import { Effect, RateLimiter, type Scope } from "effect"

export interface RateBudget {
  /** Runs a request once there is budget for it. */
  readonly withPermit: <A, E, R>(request: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const minuteMs = 60_000
/** Share of its budget that a venue that was left alone may be asked at once. */
const burstShare = 1 / 12

export const makeRateBudget = (
  requestsPerMinuteMax: number
): Effect.Effect<RateBudget, never, Scope.Scope> => {
  const burst = Math.max(1, Math.floor(requestsPerMinuteMax * burstShare))
  const refilled = Math.max(1, requestsPerMinuteMax - burst)
  const limiter = RateLimiter.make({ limit: burst, interval: (burst * minuteMs) / refilled })
  return Effect.map(limiter, (withPermit) => ({ withPermit }))
}
