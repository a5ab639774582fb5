/**
 * State as a pure fold of a stream. A fold starts from its latest snapshot, applies what came after, and goes on
 * from there; what it is at a sequence depends on the events up to it and on nothing else.
 *
 * Snapshots only save time. One that is damaged or of another version is ignored and the stream read from the
 * beginning; one that does not follow from the stream cannot be told apart, which is why their digest is kept.
 */
import { Effect, Either, Schema } from "effect"
import type * as EventType from "../protocols/wire/EventType.ts"
import { Sequence, sequenceZero } from "../protocols/wire/Ids.ts"
import { stringifyToBytes } from "../protocols/wire/Json.ts"
import { DeadLetters } from "./DeadLetters.ts"
import { HistoryTrimmed, UpgradeNeeded } from "./errors.ts"
import type { JournalRecord } from "./Journal.ts"
import { rowHash, Store } from "./Store.ts"

export interface FoldDefinition<State, Encoded, Types extends ReadonlyArray<EventType.AnyEventType>> {
  /** Unique in the node. */
  readonly name: string
  /** Of the state's meaning: another version ignores the snapshots of this one. */
  readonly version: number
  readonly stream: string
  readonly events: Types
  readonly initial: State
  /** Pure: the next state. */
  readonly evolve: (state: State, event: EventType.EventOf<Types[number]>, sequence: Sequence) => State
  readonly snapshot: Schema.Schema<State, Encoded>
  /** Events between two snapshots. */
  readonly snapshotEvery: number
}

interface SnapshotRow {
  readonly sequence: number
  readonly version: number
  readonly data: Uint8Array
  readonly hash: string
}

export interface Snapshot<State> {
  readonly state: State
  readonly sequence: Sequence
}

/** Snapshots kept of a fold. */
const snapshotsKept = 2

export const loadSnapshot = <State, Encoded, Types extends ReadonlyArray<EventType.AnyEventType>>(
  definition: FoldDefinition<State, Encoded, Types>
) =>
  Effect.gen(function* () {
    const { read, sql } = yield* Store
    const rows = yield* read(
      "read snapshots",
      sql<SnapshotRow>`SELECT sequence, version, data, hash FROM snapshots
                       WHERE fold = ${definition.name} ORDER BY sequence DESC`
    )
    const decode = Schema.decodeUnknownEither(definition.snapshot)
    for (const row of rows) {
      if (row.version !== definition.version) continue
      if (rowHash(definition.name, row.sequence, row.version, row.data) !== row.hash) {
        yield* Effect.logWarning(`A snapshot of ${definition.name} is damaged and ignored`)
        continue
      }
      const decoded = decode(JSON.parse(Buffer.from(row.data).toString("utf8")))
      if (Either.isRight(decoded)) return { state: decoded.right, sequence: Sequence.make(row.sequence) }
      yield* Effect.logWarning(`A snapshot of ${definition.name} does not decode and is ignored`)
    }
    return { state: definition.initial, sequence: sequenceZero }
  })

export const saveSnapshot = <State, Encoded, Types extends ReadonlyArray<EventType.AnyEventType>>(
  definition: FoldDefinition<State, Encoded, Types>,
  { sequence, state }: Snapshot<State>
) =>
  Effect.gen(function* () {
    const { sql, write } = yield* Store
    const { name, version } = definition
    const encoded = yield* Effect.orDie(Schema.encode(definition.snapshot)(state))
    const data = stringifyToBytes(encoded)
    const row = { fold: name, sequence, version, data, hash: rowHash(name, sequence, version, data) }
    yield* write("save a snapshot", [
      sql`INSERT OR REPLACE INTO snapshots ${sql.insert(row)}`,
      sql`DELETE FROM snapshots WHERE fold = ${name} AND sequence NOT IN (
              SELECT sequence FROM snapshots WHERE fold = ${name} ORDER BY sequence DESC LIMIT ${snapshotsKept})`
    ])
  })

/** Refuses to go on with a state over events that are gone. */
export const refuseGap = (
  fold: string,
  after: number,
  { previous, sequence, stream }: JournalRecord
): Effect.Effect<void, HistoryTrimmed> =>
  previous > after ? new HistoryTrimmed({ fold, stream, after, oldest: sequence }) : Effect.void

/** Decodes a record of a stream; what is no event becomes a dead letter and is passed over. */
export const decodeRecord = <A>(
  consumer: string,
  decode: (bytes: Uint8Array) => Either.Either<A, EventType.EventRefusal>,
  record: JournalRecord
): Effect.Effect<A | undefined, UpgradeNeeded, DeadLetters> =>
  Effect.suspend(() => {
    const decoded = decode(record.data)
    if (Either.isRight(decoded)) return Effect.succeed(decoded.right)
    const { _tag, reason } = decoded.left
    const { data, sequence, stream } = record
    if (_tag === "Newer") return new UpgradeNeeded({ consumer, stream, sequence, reason })
    return Effect.flatMap(DeadLetters, (letters) =>
      Effect.as(
        letters.record({
          consumer,
          subject: stream,
          reason,
          data,
          record: `${consumer}/${stream}/${sequence}`
        }),
        undefined
      )
    )
  })
