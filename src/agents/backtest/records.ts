/**
 * The records that a run has left in its journal, as-of by as-of, in order.
 *
 * What can go wrong: retention has dropped some of them (RecordsDropped).
 */
import { Effect, Option, Stream } from "effect"
import { type Bar, type BarsEvent, barsEvents, barsStream } from "../../protocols/Bar.ts"
import { type Decision, decisionsEvents, decisionsStream } from "../../protocols/Decision.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { type Sequence, sequenceZero } from "../../protocols/wire/Ids.ts"
import { breathe } from "../../runtime/breathe.ts"
import { decodeRecord } from "../../runtime/Fold.ts"
import type { Journal } from "../../runtime/Journal.ts"
import { RecordsDropped } from "./errors.ts"

type Closed = Extract<BarsEvent, { readonly type: "BarsClosed" }>

/** The bars of an as-of, and what is kept of the decisions of the round that was made on them. */
export interface AsOfRecord<Kept = Decision>
  extends Pick<Closed["payload"], "asOf" | "bars" | "index" | "warmUp"> {
  readonly barsSequence: Sequence
  readonly decisions: ReadonlyArray<Kept>
}

/** Everything of a stream, decoded; what reads it gives way to others between two records. */
const eventsOf = <const Types extends ReadonlyArray<EventType.AnyEventType>>(
  journal: typeof Journal.Service,
  stream: string,
  types: Types
) => {
  const decode = EventType.decoder(types)
  let before = sequenceZero
  return Stream.unwrap(
    Effect.map(journal.last(stream), (last) => journal.replay(stream, sequenceZero, last))
  ).pipe(
    Stream.tap((record) => {
      const isNext = record.previous === before
      before = record.sequence
      return isNext ? breathe : new RecordsDropped({ stream })
    }),
    Stream.mapEffect((record) =>
      Effect.map(decodeRecord(`records.${stream}`, decode, record), (event) =>
        event === undefined ? Option.none() : Option.some({ event, sequence: record.sequence })
      )
    ),
    Stream.filterMap((found) => found)
  )
}

/** Bars whose texts are one for all: each event was decoded with its own. */
const sharingTexts = () => {
  const texts = new Map<string, string>()
  const shared = <Text extends string>(text: Text): Text => {
    const known = texts.get(text)
    if (known !== undefined) return known as Text
    texts.set(text, text)
    return text
  }
  return (bar: Bar): Bar => ({
    ...bar,
    instrument: shared(bar.instrument),
    timeFrame: shared(bar.timeFrame),
    source: shared(bar.source)
  })
}

/**
 * All as-ofs of a run that has ended.
 *
 * @param keep what is held of a decision; they come to it in their order
 */
export const recordsOf = <Kept>(journal: typeof Journal.Service, keep: (decision: Decision) => Kept) =>
  Effect.gen(function* () {
    const decisions = new Map<number, Array<Kept>>()
    yield* Stream.runForEach(eventsOf(journal, decisionsStream, decisionsEvents), ({ event }) =>
      Effect.sync(() => {
        const { barsSequence, decisions: made } = event.payload
        const before = decisions.get(barsSequence) ?? []
        decisions.set(barsSequence, before)
        for (const decision of made) before.push(keep(decision))
      })
    )
    const records: Array<AsOfRecord<Kept>> = []
    const sharing = sharingTexts()
    yield* Stream.runForEach(eventsOf(journal, barsStream, barsEvents), ({ event, sequence }) =>
      Effect.sync(() => {
        if (event.type !== "BarsClosed") return
        const { asOf, bars, index, warmUp } = event.payload
        records.push({
          asOf,
          bars: bars.map(sharing),
          index,
          warmUp,
          barsSequence: sequence,
          decisions: decisions.get(sequence) ?? []
        })
      })
    )
    return records as ReadonlyArray<AsOfRecord<Kept>>
  })
