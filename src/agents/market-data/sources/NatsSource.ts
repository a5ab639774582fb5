/**
 * Bars from the subjects `bars.<venue>.<symbol>.<kind>.<time frame>` of a NATS server, one JSON message a bar. They
 * are heard from when the connection stands, and missed while it does not: there is no history.
 */
import { Effect, Redacted } from "effect"
import type { InstrumentId } from "../../../protocols/Instrument.ts"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import * as NatsMessages from "../../../runtime/NatsMessages.ts"
import type { BarSource } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import { makeBarSieve } from "./BarSieve.ts"
import { readSecret, sourceFailed, withCredentials } from "./failure.ts"
import { messageTaker, placesOf, pushedBars } from "./pushedBars.ts"
import { listedInstrument, type NatsSettings, normalUnits } from "./SourceSettings.ts"

/** A subject's tokens hold neither dots nor spaces: what else a symbol has is written `=2e`. */
export const barSubject = (instrument: InstrumentId, timeFrame: TimeFrame): string => {
  const token = (part: string) =>
    part.replace(/[^A-Za-z0-9_-]/g, (char) => `=${char.charCodeAt(0).toString(16).padStart(2, "0")}`)
  return ["bars", ...instrument.split(":").map(token), timeFrame].join(".")
}

export const openNats = (settings: NatsSettings): Effect.Effect<BarSource, SourceFailed> =>
  Effect.map(readSecret(settings.name, settings.secretVariable), (secret): BarSource => {
    const { name, requestTimeoutMs, silentAfterMs, url } = settings
    const unavailable = ({ message }: { readonly message: string }) =>
      sourceFailed(name, "unavailable", message)
    const sieve = makeBarSieve(name)
    return {
      name,
      kind: "nats",
      units: normalUnits,
      instruments: Effect.succeed(settings.instruments.map(listedInstrument)),
      history: null,
      live: (request) =>
        pushedBars(name, sieve, (push) =>
          Effect.gen(function* () {
            const places = placesOf(request, settings, barSubject)
            const lost = yield* NatsMessages.subscribe({
              url: Redacted.make(withCredentials(url, secret, "user")),
              name: `conclave ${name}`,
              connectTimeoutMs: requestTimeoutMs,
              pingEveryMs: Math.ceil(silentAfterMs / 3),
              subjects: [...places.keys()],
              onMessage: yield* messageTaker(places, push)
            }).pipe(Effect.mapError(unavailable))
            yield* Effect.forkScoped(
              Effect.catchAll(lost, (error) => Effect.sync(() => push.fail(unavailable(error))))
            )
          })
        ),
      refused: sieve.refused
    }
  })
