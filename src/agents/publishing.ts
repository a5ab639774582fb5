/**
 * What the journal has accepted, told to whoever subscribes over NATS. Within a process nobody subscribes but
 * through the journal. An agent that dies between accepting and publishing publishes in its next life: what a
 * subscriber hears twice has the same id.
 */
import { Effect, Either } from "effect"
import { type InstrumentId, subjectToken } from "../protocols/Instrument.ts"
import * as EventType from "../protocols/wire/EventType.ts"
import { type Epoch, type Sequence, sequenceZero } from "../protocols/wire/Ids.ts"
import { Bus } from "../runtime/Bus.ts"
import { Journal } from "../runtime/Journal.ts"
import * as Topic from "../runtime/Topic.ts"
import { type About, enveloped } from "./NodeContext.ts"

export interface Item<A> {
  /** Distinguishes it from the others about the same as-of. */
  readonly subject: string
  readonly instrument: InstrumentId
  readonly payload: A
}

/** Publishes items under their instruments' tokens. */
export const publishEach = <Type extends string, A>(
  topic: Topic.Topic<Type, A>,
  about: Omit<About, "subject">,
  epoch: Epoch,
  items: ReadonlyArray<Item<A>>
): Effect.Effect<void, never, Bus> =>
  Effect.flatMap(Bus, (bus) =>
    bus.transport === "nats" && items.length > 0
      ? Effect.forEach(
          items,
          ({ instrument, payload, subject }) =>
            Topic.publish(
              topic,
              { ...enveloped({ ...about, subject }, payload), epoch },
              subjectToken(instrument)
            ),
          { discard: true }
        ).pipe(
          Effect.catchAll((error) => Effect.logWarning(`${topic.name} were not published: ${error.message}`))
        )
      : Effect.void
  )

/** The event at a place of a stream, if it is there and of these types. */
export const eventAt = <const Types extends ReadonlyArray<EventType.AnyEventType>>(
  stream: string,
  sequence: Sequence,
  types: Types
) =>
  Effect.gen(function* () {
    if (sequence === sequenceZero) return undefined
    const journal = yield* Journal
    const record = yield* journal.readOne(stream, sequence)
    return record === undefined ? undefined : Either.getOrUndefined(EventType.decoder(types)(record.data))
  })
