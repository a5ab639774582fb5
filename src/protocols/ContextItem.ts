/** One typed entry of the shared context. */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { Digest, EpochMs, Identifier } from "./wire/Ids.ts"
import { contentHash } from "./wire/Json.ts"

export const ContextItem = Schema.Struct({
  /** SHA-256 of the canonical JSON of type, version, source, occurredAt and payload. */
  id: Digest,
  type: Identifier,
  version: Schema.Int.pipe(Schema.between(1, 10_000)),
  source: Identifier,
  occurredAt: EpochMs,
  /** Queries as of an instant see only what was known by then. */
  knownAt: EpochMs,
  instrument: Schema.NullOr(InstrumentId),
  payload: Schema.Unknown
})
export type ContextItem = typeof ContextItem.Type

export const contextItem = (item: Omit<ContextItem, "id">): ContextItem => ({
  id: contentHash({
    type: item.type,
    version: item.version,
    source: item.source,
    occurredAt: item.occurredAt,
    payload: item.payload
  }),
  ...item
})
