/**
 * A stream of another, followed: each event is applied to a state of one's own and then acted on. The state is a
 * fold with snapshots; what acting does has to be safe to do again, because after a restart the events since the
 * last snapshot come again. Events arrive one at a time, and the next waits until the last has been acted on.
 */
import { Effect, Stream } from "effect"
import * as EventType from "../protocols/wire/EventType.ts"
import type { Sequence } from "../protocols/wire/Ids.ts"
import { decodeRecord, type FoldDefinition, loadSnapshot, refuseGap, saveSnapshot } from "./Fold.ts"
import { Journal } from "./Journal.ts"
import * as Progress from "./Progress.ts"

/**
 * Opens the fold at its latest snapshot. `run` then follows the stream without end; `applied` is the sequence
 * that the state is at, `progress` the one up to which events have been acted on as well.
 */
export const open = <State, Encoded, Types extends ReadonlyArray<EventType.AnyEventType>>(
  definition: FoldDefinition<State, Encoded, Types>
) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const snapshot = yield* loadSnapshot(definition)
    const decode = EventType.decoder(definition.events)
    let state = snapshot.state
    let applied = snapshot.sequence
    const progress = Progress.make(snapshot.sequence)
    let sinceSnapshot = 0
    let at: number = snapshot.sequence

    const run = <E, R>(
      act: (
        event: EventType.EventOf<Types[number]>,
        state: State,
        sequence: Sequence
      ) => Effect.Effect<void, E, R>
    ) =>
      Stream.runForEach(journal.tail(definition.stream, snapshot.sequence), (record) =>
        Effect.gen(function* () {
          if (record.previous > at) yield* refuseGap(definition.name, at, record)
          at = record.sequence
          const event = yield* decodeRecord(definition.name, decode, record)
          if (event !== undefined) {
            state = definition.evolve(state, event, record.sequence)
            applied = record.sequence
            yield* act(event, state, record.sequence)
            if (++sinceSnapshot >= definition.snapshotEvery) {
              sinceSnapshot = 0
              yield* saveSnapshot(definition, { state, sequence: record.sequence }).pipe(
                Effect.catchAll((error) =>
                  Effect.logWarning(`No snapshot of ${definition.name}: ${error.message}`)
                )
              )
            }
          }
          progress.advance(record.sequence)
        })
      ).pipe(
        Effect.zipRight(Effect.dieMessage(`The stream "${definition.stream}" ended, which it never does`))
      )

    return { state: () => state, applied: () => applied, progress, run }
  })
