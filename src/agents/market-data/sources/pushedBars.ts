/**
 * A stream of what a connection pushes at its own pace. The connection's callbacks run on turns of their own and put
 * bars into a bounded queue; a reader that falls behind it ends the stream with a failure, since to drop a bar in
 * silence would be worse.
 */
import { Effect, Either, Exit, Mailbox, type Scope, Stream } from "effect"
import type { Bar } from "../../../protocols/Bar.ts"
import type { InstrumentId } from "../../../protocols/Instrument.ts"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import { Limits } from "../../../protocols/wire/Limits.ts"
import type { BarRequest } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import type { BarSieve, ReadBar } from "./BarSieve.ts"
import { type BarPlace, decodeBar } from "./decodeBar.ts"
import { sourceFailed } from "./failure.ts"
import type { UnitSettings } from "./SourceSettings.ts"

/** Bars that wait for their reader: all instruments of two as-ofs. */
const waitingMax = 2 * Limits.barsPerEventMax

export interface Push {
  readonly read: (read: ReadBar) => void
  /** Ends the stream after what was pushed before. */
  readonly fail: (failure: SourceFailed) => void
}

/** Opens a connection that lives as long as the stream and pushes into it. */
export const pushedBars = (
  source: string,
  sieve: BarSieve,
  open: (push: Push) => Effect.Effect<void, SourceFailed, Scope.Scope>
): Stream.Stream<Bar, SourceFailed> => {
  const pushed = Effect.gen(function* () {
    const mailbox = yield* Effect.acquireRelease(
      Mailbox.make<ReadBar, SourceFailed>({ capacity: waitingMax, strategy: "dropping" }),
      (mailbox) => mailbox.shutdown
    )
    const fail = (failure: SourceFailed) => void mailbox.unsafeDone(Exit.fail(failure))
    yield* open({
      read: (read) => {
        if (!mailbox.unsafeOffer(read)) {
          fail(sourceFailed(source, "unavailable", `${waitingMax} bars wait for their reader`))
        }
      },
      fail
    })
    return Mailbox.toStream(mailbox)
  })
  return sieve.ofLive(Stream.unwrapScoped(pushed))
}

/** Takes the messages of places (channels, subjects) by the name of the place; what comes from elsewhere is passed over. */
export const messageTaker = (
  places: ReadonlyMap<string, BarPlace>,
  push: Push
): Effect.Effect<(place: string, message: Uint8Array) => void> =>
  Effect.map(Effect.clock, (clock) => (name, message) => {
    const place = places.get(name)
    if (place === undefined) return
    const nowMs = clock.unsafeCurrentTimeMillis()
    const read = decodeBar(place, message, { nowMs, receivedAt: nowMs })
    push.read(Either.mapLeft(read, (reason) => `${name}: ${reason}`))
  })

/** The places of a request by their names. */
export const placesOf = (
  { instruments, timeFrame }: BarRequest,
  settings: { readonly name: string; readonly units: UnitSettings },
  nameOf: (instrument: InstrumentId, timeFrame: TimeFrame) => string
): ReadonlyMap<string, BarPlace> =>
  new Map(
    instruments.map((instrument) => [
      nameOf(instrument.id, timeFrame),
      { source: settings.name, instrument, timeFrame, units: settings.units }
    ])
  )
