/**
 * One exchange by ccxt, and what is asked of it: every request within the venue's budget, also those that ccxt makes by
 * itself on the way to an answer.
 *
 * What can go wrong: our clock and the exchange's differ. Whether a candle has closed is therefore told by the
 * exchange's where it tells its own, and between two readings of it, and when it cannot be read again, by a clock that
 * nobody sets. Half of a secret would
 * be taken for none: it is refused.
 */
import { Clock, Effect, Redacted, type Scope } from "effect"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import type { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { type CcxtThread, openThread } from "./CcxtThread.ts"
import type { ExchangeDescription } from "./exchangeThread.js"
import { readSecret, sourceFailed } from "./failure.ts"
import type { CcxtSettings } from "./SourceSettings.ts"

/** How long the difference of the exchange's clock and ours is relied on, and how much longer when it cannot be read again. */
const timeReadEveryMs = 600_000
const timeReadAgainMs = 60_000

export interface Exchange extends ExchangeDescription {
  readonly call: CcxtThread["call"]
  /** Milliseconds by the exchange's clock, never ahead of it; by ours where it does not tell its own. */
  readonly now: Effect.Effect<number, SourceFailed>
}

/** What a secret `key:secret` is made of; a secret may have colons in it, a key has none. */
const credentialsOf = (
  source: string,
  secret: Redacted.Redacted<string> | undefined
): Effect.Effect<
  { readonly apiKey: string | undefined; readonly secret: string | undefined },
  SourceFailed
> => {
  if (secret === undefined) return Effect.succeed({ apiKey: undefined, secret: undefined })
  const text = Redacted.value(secret)
  const colon = text.indexOf(":")
  return colon > 0 && colon < text.length - 1
    ? Effect.succeed({ apiKey: text.slice(0, colon), secret: text.slice(colon + 1) })
    : sourceFailed(
        source,
        "refused",
        "the variable of its secret has to hold KEY:SECRET, and lacks one of them"
      )
}

/** Does not reach for the exchange yet. */
export const openExchange = (
  settings: CcxtSettings,
  budget: RateBudget
): Effect.Effect<Exchange, SourceFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { baseUrl, exchange, marketTypes, name, requestTimeoutMs, webSocket } = settings
    const secret = yield* readSecret(name, settings.secretVariable)
    const credentials = yield* credentialsOf(name, secret)
    const options = { exchange, webSocket, marketTypes, baseUrl, requestTimeoutMs, ...credentials }
    const { call } = yield* openThread(name, options, budget)
    const description = yield* call("describe", {})

    const monotonic = yield* monotonicMs
    let read: { readonly ahead: number; readonly until: number } | undefined
    /** Taken when the answer is here: the exchange's clock is later by what the way took, and never earlier. */
    const ahead = Effect.suspend(() => {
      const known = read
      if (known !== undefined && monotonic() < known.until) return Effect.succeed(known.ahead)
      return call("time", {}).pipe(
        Effect.flatMap((time) => {
          if (typeof time !== "number" || !Number.isSafeInteger(time) || time <= 0) {
            return sourceFailed(name, "malformed", "its time is no time")
          }
          read = { ahead: time - monotonic(), until: monotonic() + timeReadEveryMs }
          return Effect.succeed(read.ahead)
        }),
        Effect.catchAll((failure) => {
          if (known === undefined) return Effect.fail(failure)
          read = { ahead: known.ahead, until: monotonic() + timeReadAgainMs }
          const words = `The clock of ${name} could not be read again, and is taken to go like ours: ${failure.message}`
          return Effect.as(Effect.logWarning(words), known.ahead)
        })
      )
    })
    return {
      ...description,
      call,
      now: description.hasTime ? Effect.map(ahead, (ms) => ms + monotonic()) : Clock.currentTimeMillis
    }
  })
