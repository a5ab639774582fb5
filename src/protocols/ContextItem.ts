/** One typed entry of the shared context. */
import { Schema } from "effect"
import { InstrumentId } from "./Instrument.ts"
import { Digest, EpochMs, Identifier } from "./wire/Ids.ts"
import { canonicalJson, sha256 } from "./wire/Json.ts"

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

type Content = Pick<ContextItem, "type" | "version" | "source" | "occurredAt">

/** The id of an item whose payload is given as canonical JSON: what stands around it is put in canonical order. */
export const contextItemId = ({ occurredAt, source, type, version }: Content, payload: string): string =>
  sha256(
    `{"occurredAt":${canonicalJson(occurredAt)},"payload":${payload},"source":${canonicalJson(source)},"type":${canonicalJson(type)},"version":${canonicalJson(version)}}`
  )
