/**
 * Identity. Ids are derived from what they identify, never drawn at random, so that the same run of the same
 * inputs writes the same bytes.
 */
import { Schema } from "effect"
import { contentHash } from "./Json.ts"
import { Limits } from "./Limits.ts"

const identifier = /^[A-Za-z0-9][A-Za-z0-9_-]*$/

/** A name that is safe as one token of a subject, in a file name and in a table. */
export const Identifier = Schema.String.pipe(
  Schema.maxLength(Limits.identifierCharsMax),
  Schema.pattern(identifier, {
    message: () => "expected letters, digits, hyphens and underscores, beginning with a letter or digit"
  })
)

/** One life of the system's data. */
export const RunId = Identifier.pipe(Schema.brand("RunId"))
export type RunId = typeof RunId.Type

/** One process on one machine. */
export const NodeId = Identifier.pipe(Schema.brand("NodeId"))
export type NodeId = typeof NodeId.Type

/** The kinds of agent there are; also the names that `--agents` takes. */
export const AgentName = Schema.Literal(
  "market-data",
  "context",
  "model-manager",
  "deep-learning",
  "reinforcement-learning",
  "orchestrator",
  "broker",
  "streams",
  "node"
)
export type AgentName = typeof AgentName.Type

/** The fencing number of a lease: only ever rises. */
export const Epoch = Schema.NonNegativeInt.pipe(Schema.brand("Epoch"))
export type Epoch = typeof Epoch.Type

/** A position in the journal: rises with every event of a stream, without being dense. 0 is before the first. */
export const Sequence = Schema.NonNegativeInt.pipe(Schema.brand("Sequence"))
export type Sequence = typeof Sequence.Type

export const sequenceZero = Sequence.make(0)
export const epochZero = Epoch.make(0)

/** Milliseconds since 1970, UTC. */
export const EpochMs = Schema.Int.pipe(Schema.between(0, 8_640_000_000_000_000))
export type EpochMs = typeof EpochMs.Type

/** SHA-256 in lower-case hex. */
export const Digest = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))

/** A text for people, bounded. */
export const Reason = Schema.String.pipe(Schema.maxLength(Limits.reasonCharsMax))

export const truncateReason = (text: string): string =>
  text.length <= Limits.reasonCharsMax ? text : `${text.slice(0, Limits.reasonCharsMax - 1)}…`

/** An id of 32 hex digits derived from what is identified (JSON values only). */
export const derivedId = (...parts: ReadonlyArray<unknown>): string => contentHash(parts).slice(0, 32)
