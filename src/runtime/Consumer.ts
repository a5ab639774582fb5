/**
 * A durable consumer whose effect is rows: what an event does and the receipt for it (how far the consumer has
 * come) are written in one transaction, so that every event takes effect exactly once, however often the
 * process dies.
 *
 * An event that fails is tried a stated number of times, counted across restarts, then becomes a dead letter
 * with its cause, and the others flow on. One of a newer version is parked until an upgrade.
 */
import { Chunk, Effect, Either, Stream } from "effect"
import * as EventType from "../protocols/wire/EventType.ts"
import { Sequence } from "../protocols/wire/Ids.ts"
import { DeadLetters } from "./DeadLetters.ts"
import { Journal, type JournalRecord } from "./Journal.ts"
import { monotonicMs } from "./MonotonicClock.ts"
import * as Progress from "./Progress.ts"
import { type Statements, Store } from "./Store.ts"

export interface ConsumerOptions<Types extends ReadonlyArray<EventType.AnyEventType>> {
  /** Unique in the node. */
  readonly name: string
  readonly stream: string
  /** The types it acts on; others of the stream are passed over. */
  readonly events: Types
  /** Tries of one event, over all lives of the consumer. */
  readonly triesMax: number
  /** The rows an event makes, to be written in the transaction of the receipt. */
  readonly apply: (event: EventType.EventOf<Types[number]>, record: JournalRecord) => Statements
}

/**
 * Consumers commit on a common beat, so that what has gathered with all of them by then shares one commit, however
 * fast the streams flow.
 */
const beatMs = 50
const retryAfterMs = 25
const retryAfterMaxMs = 2_000

export const open = <const Types extends ReadonlyArray<EventType.AnyEventType>>(
  options: ConsumerOptions<Types>
) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const store = yield* Store
    const letters = yield* DeadLetters
    const now = yield* monotonicMs
    const { name, stream } = options
    const { sql } = store
    const decode = EventType.decoder(options.events)
    type Row = { readonly sequence: number; readonly attempts: number }
    const [cursor] = yield* store.read(
      "read a cursor",
      sql<Row>`SELECT sequence, attempts FROM cursors WHERE consumer = ${name}`
    )
    const start = cursor?.sequence ?? 0
    const progress = Progress.make(start)

    const receipt = (sequence: number, attempts: number) =>
      sql`INSERT OR REPLACE INTO cursors ${sql.insert({ consumer: name, sequence, attempts })}`

    const dead = ({ data, sequence }: JournalRecord, reason: string) =>
      letters.record({
        consumer: name,
        subject: `${stream}/${sequence}`,
        reason,
        data,
        record: `${name}/${stream}/${sequence}`
      })

    /**
     * The rows of one record. What does not decode is taken out of the way first: dead letters are written by
     * themselves and must not wait for the transaction that waits for them.
     */
    const prepare = (record: JournalRecord): Effect.Effect<Statements, { readonly reason: string }> => {
      const decoded = decode(record.data)
      if (Either.isRight(decoded)) {
        return Effect.try({
          try: () => options.apply(decoded.right, record),
          catch: (cause) => ({ reason: `it cannot be applied: ${String(cause)}` })
        })
      }
      if (decoded.left._tag === "UnknownType") return Effect.succeed([])
      if (decoded.left._tag === "Malformed") return Effect.as(dead(record, decoded.left.reason), [])
      const { type, version } = decoded.left
      const parked = { consumer: name, sequence: record.sequence, type, version }
      return Effect.succeed([sql`INSERT OR IGNORE INTO parked ${sql.insert(parked)}`])
    }

    /** Whether a try stands in the receipt that a success has to take back. */
    let isCounted = false
    const applyAll = (records: ReadonlyArray<JournalRecord>) =>
      Effect.flatMap(Effect.forEach(records, prepare), (prepared) => {
        const rows = prepared.flat()
        // What made no rows may come again after a restart: no receipt is written for it alone.
        if (rows.length === 0 && !isCounted) return Effect.void
        return store
          .write(`apply events to ${name}`, [...rows, receipt((records.at(-1) as JournalRecord).sequence, 0)])
          .pipe(
            Effect.tap(() => {
              isCounted = false
            })
          )
      })

    const applyOne = Effect.fnUntraced(function* (record: JournalRecord, attemptsBefore: number) {
      let reason = "its tries ended with the process"
      for (let attempts = attemptsBefore + 1; attempts <= options.triesMax; attempts++) {
        // On disk before it is made; if even that fails, the store is at fault and not the event.
        yield* store.write("count a try", [receipt(progress.current(), attempts)])
        isCounted = true
        const result = yield* Effect.either(applyAll([record]))
        if (Either.isRight(result)) return
        reason = result.left.reason
        yield* Effect.logWarning(`${name}: try ${attempts} of event ${record.sequence} failed: ${reason}`)
        yield* Effect.sleep(Math.min(retryAfterMs * 2 ** attempts, retryAfterMaxMs))
      }
      yield* dead(record, `${options.triesMax} tries failed, the last because ${reason}`)
      yield* store.write("pass over an event", [receipt(record.sequence, 0)])
    })

    let attempts = cursor?.attempts ?? 0
    let isFirst = true
    const applyBatch = Effect.fnUntraced(function* (records: ReadonlyArray<JournalRecord>) {
      let isWhole = false
      if (attempts === 0) {
        // A life may end of its first events: they are counted before they are tried.
        if (isFirst) yield* store.write("count a try", [receipt(progress.current(), 1)])
        isCounted = isFirst
        isWhole = Either.isRight(yield* Effect.either(applyAll(records)))
        // Of several, nobody knows which one it was.
        if (!isWhole && records.length === 1) attempts = 1
        if (!isWhole) yield* Effect.sleep(retryAfterMs)
      }
      isFirst = false
      if (!isWhole) {
        for (const record of records) {
          yield* applyOne(record, attempts)
          attempts = 0
          progress.advance(record.sequence)
        }
      }
      progress.advance((records.at(-1) as JournalRecord).sequence)
    })

    /** Parked events whose version is known by now. */
    const unpark = Effect.gen(function* () {
      const rows = yield* store.read(
        "read parked events",
        sql<{ sequence: number }>`SELECT sequence FROM parked WHERE consumer = ${name} ORDER BY sequence`
      )
      for (const { sequence } of rows) {
        const record = yield* journal.readOne(stream, Sequence.make(sequence))
        const remove = sql`DELETE FROM parked WHERE consumer = ${name} AND sequence = ${sequence}`
        // Retention may have taken it.
        if (record === undefined) yield* store.write("forget a parked event", [remove])
        if (record === undefined || Either.isLeft(decode(record.data))) continue
        const applied = yield* Effect.either(
          Effect.flatMap(prepare(record), (rows) => store.write("apply a parked event", [...rows, remove]))
        )
        if (Either.isRight(applied)) continue
        yield* dead(record, `it was parked, and then ${applied.left.reason}`)
        yield* store.write("pass over a parked event", [remove])
      }
    })

    return {
      progress,
      run: Effect.zipRight(
        unpark,
        Stream.runForEachChunk(journal.tail(stream, Sequence.make(start)), (chunk) =>
          Effect.zipRight(
            applyBatch(Chunk.toReadonlyArray(chunk)),
            Effect.suspend(() => Effect.sleep(beatMs - (now() % beatMs)))
          )
        )
      ).pipe(Effect.zipRight(Effect.dieMessage(`The stream "${stream}" ended, which it never does`)))
    }
  })
