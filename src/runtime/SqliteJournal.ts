/** The journal in the node's own store, for a system that runs in one process. */
import { Chunk, Effect, Layer, Option, Stream } from "effect"
import { Epoch, Sequence } from "../protocols/wire/Ids.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import {
  CorruptRecord,
  JournalUnavailable,
  PayloadTooLarge,
  StaleEpoch,
  WrongExpectedSequence
} from "./errors.ts"
import {
  type AppendError,
  type AppendOptions,
  Journal,
  type JournalRecord,
  type ReadError
} from "./Journal.ts"
import { RecentRecords } from "./RecentRecords.ts"
import { rowHash, Store } from "./Store.ts"

interface Head {
  sequence: number
  epoch: number
  /** Id and sequence of the latest record, to recognise an append that is repeated. */
  id: string
  readonly recent: RecentRecords
  /** One append at a time: what is said of the stream is on disk. */
  readonly turn: Effect.Semaphore
}

interface Row {
  readonly sequence: number
  readonly previous: number
  readonly epoch: number
  readonly id: string
  readonly data: Uint8Array
  readonly hash: string
}

/** Records read at a time when following from far behind. */
const batchMax = 256

const hashOf = (stream: string, row: Omit<Row, "hash">) =>
  rowHash(stream, row.sequence, row.previous, row.epoch, row.id, row.data)

const make = Effect.gen(function* () {
  const store = yield* Store
  const { sql } = store
  const heads = new Map<string, Head>()
  const unavailable = (stream: string, operation: string) => (cause: { readonly reason: string }) =>
    new JournalUnavailable({ stream, operation, reason: cause.reason })

  const [latest] = yield* store.read(
    "read where the journal ends",
    sql<{ last: number | null }>`SELECT max(sequence) AS last FROM events`
  )
  let lastSequence = latest?.last ?? 0

  const head = (stream: string) =>
    Effect.suspend(() => {
      const known = heads.get(stream)
      if (known !== undefined) return Effect.succeed(known)
      const rows = sql<Row>`SELECT sequence, epoch, id FROM events WHERE stream = ${stream} ORDER BY sequence DESC LIMIT 1`
      const fences = sql<{ epoch: number }>`SELECT epoch FROM fences WHERE stream = ${stream}`
      return store.read("read the end of a stream", Effect.all([rows, fences])).pipe(
        Effect.mapError(unavailable(stream, "read")),
        Effect.map(([[row], [fence]]) => {
          const opened = heads.get(stream)
          if (opened !== undefined) return opened
          const made: Head = {
            sequence: row?.sequence ?? 0,
            epoch: Math.max(row?.epoch ?? 0, fence?.epoch ?? 0),
            id: row?.id ?? "",
            recent: new RecentRecords(row?.sequence ?? 0),
            turn: Effect.unsafeMakeSemaphore(1)
          }
          heads.set(stream, made)
          return made
        })
      )
    })

  const append = Effect.fnUntraced(function* (options: AppendOptions) {
    const { data, epoch, expected, id, stream } = options
    if (data.byteLength > Limits.payloadBytesMax) {
      return yield* new PayloadTooLarge({
        subject: stream,
        bytes: data.byteLength,
        bytesMax: Limits.payloadBytesMax
      })
    }
    const at = yield* head(stream)
    return yield* at.turn.withPermits(1)(
      Effect.gen(function* () {
        if (epoch < at.epoch) return yield* new StaleEpoch({ stream, epoch, current: at.epoch })
        if (id === at.id && expected < at.sequence) return Sequence.make(at.sequence)
        if (expected !== at.sequence) {
          return yield* new WrongExpectedSequence({ stream, expected, actual: at.sequence })
        }
        const row = { stream, sequence: ++lastSequence, previous: expected, epoch, id, data }
        yield* Effect.mapError(
          store.write("append to the journal", [
            sql`INSERT INTO events ${sql.insert({ ...row, hash: hashOf(stream, row) })}`
          ]),
          unavailable(stream, "append to")
        )
        Object.assign(at, { sequence: row.sequence, epoch, id })
        const sequence = Sequence.make(row.sequence)
        at.recent.add({ stream, sequence, previous: expected, epoch, data })
        return sequence
      })
    )
  }, Effect.uninterruptible) as (options: AppendOptions) => Effect.Effect<Sequence, AppendError>

  const verify = (stream: string, row: Row): Effect.Effect<JournalRecord, CorruptRecord> =>
    hashOf(stream, row) === row.hash
      ? Effect.succeed({
          stream,
          sequence: Sequence.make(row.sequence),
          previous: Sequence.make(row.previous),
          epoch: Epoch.make(row.epoch),
          data: row.data
        })
      : new CorruptRecord({
          table: "events",
          key: `${stream}/${row.sequence}`,
          reason: "its hash does not match"
        })

  const read = (
    stream: string,
    after: Sequence,
    limit: number
  ): Effect.Effect<ReadonlyArray<JournalRecord>, ReadError> =>
    Effect.flatMap(head(stream), (at) => {
      const recent = at.recent.after(after, limit)
      if (recent !== undefined) return Effect.succeed(recent)
      return store
        .read(
          "read the journal",
          sql<Row>`SELECT sequence, previous, epoch, id, data, hash FROM events
                   WHERE stream = ${stream} AND sequence > ${after} ORDER BY sequence LIMIT ${limit}`
        )
        .pipe(
          Effect.mapError(unavailable(stream, "read")),
          Effect.flatMap((rows) => Effect.forEach(rows, (row) => verify(stream, row)))
        )
    })

  const tail = (stream: string, after: Sequence): Stream.Stream<JournalRecord, ReadError> =>
    Stream.paginateChunkEffect(after, (position) =>
      Effect.gen(function* () {
        const at = yield* head(stream)
        for (;;) {
          const records = yield* read(stream, position, batchMax)
          const newest = records.at(-1)
          if (newest !== undefined) return [Chunk.unsafeFromArray(records), Option.some(newest.sequence)]
          yield* at.recent.news(position)
        }
      })
    )

  return Journal.of({
    kind: "sqlite",
    append,
    fence: Effect.fnUntraced(function* (stream, epoch) {
      const at = yield* head(stream)
      return yield* at.turn.withPermits(1)(
        Effect.gen(function* () {
          if (epoch < at.epoch) return yield* new StaleEpoch({ stream, epoch, current: at.epoch })
          yield* store
            .write("raise a fence", [
              sql`INSERT INTO fences ${sql.insert({ stream, epoch })} ON CONFLICT (stream) DO UPDATE SET epoch = ${epoch}`
            ])
            .pipe(Effect.mapError(unavailable(stream, "fence")))
          at.epoch = epoch
          return Sequence.make(at.sequence)
        })
      )
    }),
    readOne: (stream, sequence) =>
      store
        .read(
          "read the journal",
          sql<Row>`SELECT sequence, previous, epoch, id, data, hash FROM events WHERE sequence = ${sequence} AND stream = ${stream}`
        )
        .pipe(
          Effect.mapError(unavailable(stream, "read")),
          Effect.flatMap(([row]) => (row === undefined ? Effect.succeed(undefined) : verify(stream, row)))
        ),
    last: (stream) => Effect.map(head(stream), (at) => Sequence.make(at.sequence)),
    tail,
    replay: (stream, after, through) =>
      after >= through
        ? Stream.empty
        : Stream.takeUntil(tail(stream, after), (record) => record.sequence >= through),
    trim: (stream, keep) =>
      store
        .write("trim the journal", [
          sql`DELETE FROM events WHERE stream = ${stream} AND sequence <= (
                SELECT sequence FROM events WHERE stream = ${stream} ORDER BY sequence DESC LIMIT 1 OFFSET ${keep})`
        ])
        .pipe(
          Effect.mapError(unavailable(stream, "trim")),
          Effect.tap(() => heads.get(stream)?.recent.keep(keep))
        )
  })
})

export const layer: Layer.Layer<Journal, JournalUnavailable, Store> = Layer.effect(
  Journal,
  Effect.mapError(
    make,
    (error) => new JournalUnavailable({ stream: "*", operation: "open", reason: error.reason })
  )
)
