/**
 * What every event on the bus and in the journal is wrapped in. The envelope says who, when, why and under
 * which epoch; the payload is decoded afterwards by the event type it names.
 */
import { Schema } from "effect"
import { Epoch, EpochMs, Identifier, RunId } from "./Ids.ts"
import { Traceparent } from "./Trace.ts"

export const EnvelopeHeader = Schema.Struct({
  /** Derived from what the event is about: a repetition bears the same id. */
  id: Schema.String.pipe(Schema.maxLength(64)),
  type: Identifier,
  /** Of the payload's schema. */
  version: Schema.Int.pipe(Schema.between(1, 10_000)),
  run: RunId,
  /** The agent that says it. */
  source: Identifier,
  /** When it happened, in the time of the run (event time). */
  occurredAt: EpochMs,
  /** When it could be known, in the time of the run. */
  knownAt: EpochMs,
  /** The round, command or run that this belongs to. */
  correlation: Schema.String.pipe(Schema.maxLength(128)),
  /** The id of the event or command that brought this about; empty for a first cause. */
  causation: Schema.String.pipe(Schema.maxLength(128)),
  traceparent: Traceparent,
  /** After this instant nobody wants it any more; absent when it keeps. */
  deadline: Schema.optional(EpochMs),
  epoch: Epoch
})
export type EnvelopeHeader = typeof EnvelopeHeader.Type

export const Envelope = Schema.Struct({ ...EnvelopeHeader.fields, payload: Schema.Unknown })
export type Envelope = typeof Envelope.Type
