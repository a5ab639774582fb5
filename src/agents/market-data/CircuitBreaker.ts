/**
 * When a source that failed may be asked again. Each failure in a row doubles the pause; after so many the breaker
 * opens, and once its pause is over one trial is let through: a success closes it, a failure opens it for longer.
 *
 * Pure: the time is elapsed milliseconds, given by the caller. A source that says how long it wants to be left alone
 * is left alone for at least so long, even if it answers something else meanwhile.
 */

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failuresMax: number
  /** Pause after the first failure. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
}

export interface CircuitBreaker {
  /** `half-open`: one trial is under way. */
  readonly state: "closed" | "open" | "half-open"
  /** In a row. */
  readonly failures: number
  /** Nothing is asked before. */
  readonly retryAt: number
}

export const closed: CircuitBreaker = { state: "closed", failures: 0, retryAt: Number.NEGATIVE_INFINITY }

/** Doublings beyond this change nothing: the longest pause is reached long before. */
const doublingsMax = 30

export const failed = (
  breaker: CircuitBreaker,
  now: number,
  retryAfterMs: number | null,
  options: BreakerOptions
): CircuitBreaker => {
  const failures = breaker.failures + 1
  const backoff = Math.min(
    options.backoffMs * 2 ** Math.min(failures - 1, doublingsMax),
    options.backoffMaxMs
  )
  return {
    state: failures >= options.failuresMax ? "open" : "closed",
    failures,
    retryAt: Math.max(breaker.retryAt, now + Math.max(backoff, retryAfterMs ?? 0))
  }
}

export const succeeded = (breaker: CircuitBreaker): CircuitBreaker =>
  breaker.state === "closed" && breaker.failures === 0 ? breaker : { ...closed, retryAt: breaker.retryAt }

/** Whether the source may be asked now. While a trial is under way nothing else may. */
export const mayTry = (breaker: CircuitBreaker, now: number): boolean =>
  breaker.state !== "half-open" && now >= breaker.retryAt

/** Somebody asks: of an open breaker it is the trial. */
export const trying = (breaker: CircuitBreaker): CircuitBreaker =>
  breaker.state === "open" ? { ...breaker, state: "half-open" } : breaker
