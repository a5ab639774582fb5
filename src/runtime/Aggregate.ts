/**
 * The state of an agent that owns its stream: it decides, appends, and only what the journal has accepted
 * becomes state. Opening it under a lease's epoch fences predecessors off.
 */
import { Effect, Schedule, Stream } from "effect"
import * as EventType from "../protocols/wire/EventType.ts"
import type { Epoch, Sequence } from "../protocols/wire/Ids.ts"
import { decodeRecord, type FoldDefinition, loadSnapshot, refuseGap, saveSnapshot } from "./Fold.ts"
import { type AppendError, Journal } from "./Journal.ts"
import { retrying } from "./retrying.ts"
import { Store } from "./Store.ts"

export interface Aggregate<State> {
  readonly state: () => State
  /** Where the stream is. */
  readonly sequence: () => Sequence
  /**
   * Appends an event and applies it. One at a time: the agent's mailbox sees to that. An append whose answer was
   * lost is repeated under the same id; `WrongExpectedSequence` and `StaleEpoch` mean that another has taken over.
   */
  readonly append: <Type extends string, A>(
    eventType: EventType.EventType<Type, A>,
    event: Omit<EventType.Event<Type, A>, "type" | "version" | "epoch">
  ) => Effect.Effect<Sequence, AppendError>
}

export interface AggregateOptions {
  readonly epoch: Epoch
  /** Events of the stream that retention keeps. */
  readonly eventsKept: number
}

/** An unavailable journal is asked again, for about this long altogether. */
const appendAgain = Schedule.exponential("100 millis", 2).pipe(
  Schedule.either(Schedule.spaced("1 second")),
  Schedule.upTo("5 seconds")
)

export const open = <State, Encoded, Types extends ReadonlyArray<EventType.AnyEventType>>(
  definition: FoldDefinition<State, Encoded, Types>,
  options: AggregateOptions
) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const store = yield* Store
    const { name, stream } = definition
    const { epoch } = options
    const decode = EventType.decoder(definition.events)

    let sequence = yield* journal.fence(stream, epoch)
    const snapshot = yield* loadSnapshot(definition)
    let state = snapshot.state
    let sinceSnapshot = 0
    let at: number = snapshot.sequence
    yield* Stream.runForEach(journal.replay(stream, snapshot.sequence, sequence), (record) =>
      Effect.gen(function* () {
        yield* refuseGap(name, at, record)
        at = record.sequence
        const event = yield* decodeRecord(name, decode, record)
        if (event === undefined) return
        state = definition.evolve(state, event, record.sequence)
        sinceSnapshot++
      })
    )

    const keep = Effect.suspend(() => {
      sinceSnapshot = 0
      return saveSnapshot(definition, { state, sequence }).pipe(
        Effect.zipRight(journal.trim(stream, options.eventsKept)),
        Effect.provideService(Store, store),
        Effect.catchAll((error) => Effect.logWarning(`No snapshot of ${name}: ${error.message}`))
      )
    })

    const aggregate: Aggregate<State> = {
      state: () => state,
      sequence: () => sequence,
      append: (eventType, event) =>
        Effect.gen(function* () {
          const full = { ...event, epoch }
          const data = EventType.encode(eventType, full)
          const appended = yield* retrying(
            journal.append({ stream, expected: sequence, epoch, id: event.id, data }),
            { schedule: appendAgain, while: (error) => error._tag === "JournalUnavailable" }
          )
          sequence = appended
          const accepted = { ...full, type: eventType.type, version: eventType.version }
          state = definition.evolve(state, accepted as never, appended)
          if (++sinceSnapshot >= definition.snapshotEvery) yield* keep
          return appended
        })
    }
    return aggregate
  })
