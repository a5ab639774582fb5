/** The records that a run has left in its journal, as-of by as-of, in order. */
import { Effect, Option, Stream } from "effect"
import { type BarsEvent, barsEvents, barsStream } from "../../protocols/Bar.ts"
import { type Decision, decisionsEvents, decisionsStream } from "../../protocols/Decision.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { type Sequence, sequenceZero } from "../../protocols/wire/Ids.ts"
import { breathe } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import type { Journal } from "../../runtime/Journal.ts"

type Closed = Extract<BarsEvent, { readonly type: "BarsClosed" }>

/** The bars of an as-of, and the decisions of the round that was made on them. */
export interface AsOfRecord extends Pick<Closed["payload"], "asOf" | "bars" | "index" | "warmUp"> {
  readonly barsSequence: Sequence
  readonly decisions: ReadonlyArray<Decision>
}

/** Everything of a stream, decoded; what reads it gives way to others between two records. */
const eventsOf = <const Types extends ReadonlyArray<EventType.AnyEventType>>(
  journal: typeof Journal.Service,
  stream: string,
  types: Types
) => {
  const decode = EventType.decoder(types)
  return Stream.unwrap(
    Effect.map(journal.last(stream), (last) => journal.replay(stream, sequenceZero, last))
  ).pipe(
    Stream.tap(() => breathe),
    Stream.mapEffect((record) =>
      Effect.map(decodeRecord(`records.${stream}`, decode, record), (event) =>
        event === undefined ? Option.none() : Option.some({ event, sequence: record.sequence })
      )
    ),
    Stream.filterMap((found) => found)
  )
}

/** All as-ofs of a run that has ended. */
export const recordsOf = (journal: typeof Journal.Service) =>
  Effect.gen(function* () {
    const decisions = new Map<number, Array<Decision>>()
    yield* Stream.runForEach(eventsOf(journal, decisionsStream, decisionsEvents), ({ event }) =>
      Effect.sync(() => {
        const { barsSequence, decisions: made } = event.payload
        const before = decisions.get(barsSequence)
        if (before === undefined) decisions.set(barsSequence, [...made])
        else before.push(...made)
      })
    )
    const records: Array<AsOfRecord> = []
    yield* Stream.runForEach(eventsOf(journal, barsStream, barsEvents), ({ event, sequence }) =>
      Effect.sync(() => {
        if (event.type !== "BarsClosed") return
        const { asOf, bars, index, warmUp } = event.payload
        records.push({
          asOf,
          bars,
          index,
          warmUp,
          barsSequence: sequence,
          decisions: decisions.get(sequence) ?? []
        })
      })
    )
    return records as ReadonlyArray<AsOfRecord>
  })
