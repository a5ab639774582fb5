/**
 * One exchange by ccxt, and what is asked of it, within the venue's budget.
 *
 * What can go wrong: our clock and the exchange's differ. Whether a candle has closed is therefore told by the
 * exchange's where it tells its own, and between two readings of it by a clock that nobody sets.
 */
import { Clock, Effect, Redacted, type Scope } from "effect"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import type { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { type CcxtThread, openThread } from "./CcxtThread.ts"
import type { ExchangeDescription } from "./exchangeThread.js"
import { readSecret, sourceFailed } from "./failure.ts"
import type { CcxtSettings } from "./SourceSettings.ts"

/** How long the difference of the exchange's clock and ours is relied on. */
const timeReadEveryMs = 600_000

export interface Exchange extends ExchangeDescription {
  /** Within the budget. */
  readonly request: CcxtThread["call"]
  /** What is told by WebSocket is no request. */
  readonly listen: CcxtThread["call"]
  /** Milliseconds by the exchange's clock, never ahead of it; by ours where it does not tell its own. */
  readonly now: Effect.Effect<number, SourceFailed>
}

/** Does not reach for the exchange yet. */
export const openExchange = (
  settings: CcxtSettings,
  budget: RateBudget
): Effect.Effect<Exchange, SourceFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { baseUrl, exchange, marketTypes, name, requestTimeoutMs, webSocket } = settings
    const secret = yield* readSecret(name, settings.secretVariable)
    const [apiKey, apiSecret] = secret === undefined ? [] : Redacted.value(secret).split(":")
    const thread = yield* openThread(name, {
      exchange,
      webSocket,
      marketTypes,
      baseUrl,
      requestTimeoutMs,
      apiKey,
      secret: apiSecret
    })
    const request: CcxtThread["call"] = (name, takes) => budget.withPermit(thread.call(name, takes))
    const description = yield* thread.call("describe", {})

    const monotonic = yield* monotonicMs
    let read: { readonly ahead: number; readonly at: number } | undefined
    /** Taken when the answer is here: the exchange's clock is later by what the way took, and never earlier. */
    const ahead = Effect.suspend(() => {
      if (read !== undefined && monotonic() - read.at < timeReadEveryMs) return Effect.succeed(read.ahead)
      return Effect.flatMap(request("time", {}), (time) => {
        if (typeof time !== "number" || !Number.isSafeInteger(time) || time <= 0) {
          return sourceFailed(name, "malformed", "its time is no time")
        }
        read = { ahead: time - monotonic(), at: monotonic() }
        return Effect.succeed(read.ahead)
      })
    })
    return {
      ...description,
      request,
      listen: thread.call,
      now: description.hasTime ? Effect.map(ahead, (ms) => ms + monotonic()) : Clock.currentTimeMillis
    }
  })
