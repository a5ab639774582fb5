/**
 * Where each decision stands in the journal: a consumer's table beside the stream, from which decisions are found
 * by id, by instrument and as-of, and latest first. The journal stays the authority; a lost table is rebuilt.
 */
import { Chunk, Effect, Either, Schema, Stream } from "effect"
import {
  type Decision,
  DecisionId,
  DecisionKey,
  decisionsEvents,
  decisionsStream,
  RoundClosed
} from "../../protocols/Decision.ts"
import { DecisionNotFound, StorageFailed } from "../../protocols/errors.ts"
import * as EventType from "../../protocols/wire/EventType.ts"
import { Sequence } from "../../protocols/wire/Ids.ts"
import * as Consumer from "../../runtime/Consumer.ts"
import { Journal } from "../../runtime/Journal.ts"
import { Store } from "../../runtime/Store.ts"

/** Of a round, what the index needs. */
const RoundForIndex = EventType.make({
  type: RoundClosed.type,
  version: RoundClosed.version,
  upcasters: RoundClosed.upcasters,
  schema: Schema.Struct({ decisions: Schema.Array(Schema.Struct({ id: DecisionId, key: DecisionKey })) })
})

interface Row {
  readonly id: string
  readonly sequence: number
}

/** Rows of one statement: SQLite allows 32,766 parameters. */
const rowsPerInsert = 500

export const open = Effect.gen(function* () {
  const store = yield* Store
  const journal = yield* Journal
  const { sql } = store
  const decode = EventType.decoder(decisionsEvents)

  const consumer = yield* Consumer.open({
    name: "decision-index",
    stream: decisionsStream,
    events: [RoundForIndex],
    triesMax: 5,
    apply: ({ payload }, { sequence }) => {
      const rows = payload.decisions.map(({ id, key }) => ({
        id,
        sequence,
        instrument: key.instrument,
        as_of: key.asOf
      }))
      const inserts = []
      for (let at = 0; at < rows.length; at += rowsPerInsert) {
        inserts.push(
          sql`INSERT OR IGNORE INTO decision_index ${sql.insert(rows.slice(at, at + rowsPerInsert))}`
        )
      }
      return inserts
    }
  })

  const failed = (error: { readonly message: string }) => new StorageFailed({ reason: error.message })

  const read = Effect.fnUntraced(
    function* ({ id, sequence }: Row) {
      const record = yield* journal.readOne(decisionsStream, Sequence.make(sequence))
      if (record === undefined) return yield* new DecisionNotFound({ decision: id })
      const event = yield* Effect.mapError(decode(record.data), ({ reason }) => ({ message: reason }))
      const decision = event.payload.decisions.find((candidate) => candidate.id === id)
      return decision ?? (yield* new DecisionNotFound({ decision: id }))
    },
    Effect.mapError((error) => (error instanceof DecisionNotFound ? error : failed(error)))
  )

  const rows = (statement: ReturnType<typeof sql<Row>>) =>
    Effect.mapError(store.read("look up decisions", statement), failed)

  return {
    progress: consumer.progress,
    run: consumer.run,
    /** By the id or its first digits. */
    byId: (id: string): Effect.Effect<Decision, DecisionNotFound | StorageFailed> =>
      Effect.flatMap(
        rows(
          sql<Row>`SELECT id, sequence FROM decision_index WHERE id >= ${id} AND id < ${`${id}g`} LIMIT 2`
        ),
        ([first, second]) =>
          first === undefined || second !== undefined ? new DecisionNotFound({ decision: id }) : read(first)
      ),
    /** Oldest first, at most `count`, accepted up to a place in the stream, of one instrument or of all. */
    latest: (count: number, instrument: string | undefined, through: Sequence) =>
      Effect.flatMap(
        rows(
          instrument === undefined
            ? sql<Row>`SELECT id, sequence FROM decision_index WHERE sequence <= ${through}
                       ORDER BY sequence DESC, rowid DESC LIMIT ${count}`
            : sql<Row>`SELECT id, sequence FROM decision_index WHERE sequence <= ${through}
                       AND instrument = ${instrument} ORDER BY sequence DESC LIMIT ${count}`
        ),
        (found) =>
          Effect.forEach([...found].reverse(), (row) =>
            // Retention may have taken it since.
            read(row).pipe(
              Effect.map((decision) => [decision]),
              Effect.catchTag("DecisionNotFound", () => Effect.succeed([]))
            )
          ).pipe(Effect.map((decisions) => decisions.flat()))
      ),
    /** Retention: the oldest entries go. */
    trim: (rowsMax: number) =>
      store.write("trim the decision index", [
        sql`DELETE FROM decision_index WHERE rowid <= (
              SELECT rowid FROM decision_index ORDER BY rowid DESC LIMIT 1 OFFSET ${rowsMax})`
      ]),
    /** Those accepted after a place in the stream, without end. */
    after: (sequence: Sequence, instrument: string | undefined) =>
      journal.tail(decisionsStream, sequence).pipe(
        Stream.mapChunks(
          Chunk.flatMap((record) => {
            const event = decode(record.data)
            const decisions = Either.isRight(event) ? event.right.payload.decisions : []
            return Chunk.fromIterable(
              decisions.filter(({ key }) => instrument === undefined || key.instrument === instrument)
            )
          })
        ),
        Stream.mapError(failed)
      )
  }
})
