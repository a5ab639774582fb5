/** Decisions as lines of JSON, read from the journal as they were accepted, without decoding what is only printed. */
import { Either, Schema, Stream } from "effect"
import { decisionsStream, RoundClosed } from "../protocols/Decision.ts"
import * as EventType from "../protocols/wire/EventType.ts"
import type { Sequence } from "../protocols/wire/Ids.ts"
import type { Journal } from "../runtime/Journal.ts"

const RawRound = EventType.make({
  type: RoundClosed.type,
  version: RoundClosed.version,
  upcasters: RoundClosed.upcasters,
  schema: Schema.Struct({ decisions: Schema.Array(Schema.Unknown) })
})

/** Everything after a place in the stream, by the event that brought it. */
export const rawDecisions = (journal: typeof Journal.Service, after: Sequence) => {
  const decode = EventType.decoder([RawRound])
  return Stream.map(journal.tail(decisionsStream, after), (record) => {
    const event = decode(record.data)
    return {
      sequence: record.sequence,
      decisions: Either.isRight(event) ? event.right.payload.decisions : []
    }
  })
}

export const decisionLine = (decision: unknown): string =>
  `${JSON.stringify({ type: "decision", ...(decision as Record<string, unknown>) })}\n`
