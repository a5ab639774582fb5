/**
 * Context items as rows. An item's id is the hash of its content, so that keeping it again changes nothing; its
 * row has a hash of its own, so that a damaged one is never given out.
 */
import type { Rpc, RpcGroup } from "@effect/rpc"
import { Effect, Either, Schema } from "effect"
import { makeBarBook } from "../../market/time/BarBook.ts"
import { Bar } from "../../protocols/Bar.ts"
import { type ContextItem, contextItemId } from "../../protocols/ContextItem.ts"
import { StorageFailed } from "../../protocols/errors.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { ContextRpcs } from "../../protocols/rpc/ContextRpcs.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import { rowHash, Store } from "../../runtime/Store.ts"

type Row = {
  readonly id: string
  readonly type: string
  readonly version: number
  readonly source: string
  readonly instrument: string | null
  readonly occurred_at: number
  readonly known_at: number
  readonly payload: string
  readonly hash: string
}

type PayloadOf<Tag extends string> = Rpc.Payload<
  Extract<RpcGroup.Rpcs<typeof ContextRpcs>, { readonly _tag: Tag }>
>

/** Rows of one statement. */
const rowsPerInsert = 500

/** The id covers all else. */
const hashOf = (row: Pick<Row, "id" | "instrument" | "known_at">): string =>
  rowHash(row.id, row.instrument, row.known_at)

const toRow = (item: Omit<ContextItem, "id">): Row => {
  const payload = canonicalJson(item.payload)
  const row = {
    id: contextItemId(item, payload),
    type: item.type,
    version: item.version,
    source: item.source,
    instrument: item.instrument,
    occurred_at: item.occurredAt,
    known_at: item.knownAt,
    payload
  }
  return { ...row, hash: hashOf(row) }
}

const fromRow = (row: Row): Either.Either<ContextItem, StorageFailed> => {
  const content = {
    type: row.type,
    version: row.version,
    source: row.source,
    occurredAt: row.occurred_at
  }
  return hashOf(row) === row.hash && contextItemId(content, row.payload) === row.id
    ? Either.right({
        id: row.id,
        ...content,
        knownAt: row.known_at,
        instrument: row.instrument as InstrumentId | null,
        payload: JSON.parse(row.payload) as unknown
      })
    : Either.left(new StorageFailed({ reason: `the context item ${row.id} is damaged` }))
}

/** The latest close of bars that are asked for. */
const lastClose = (asOf: number, before: number | undefined): number =>
  before === undefined ? asOf : Math.min(asOf, before - 1)

const decodeBar = Schema.decodeUnknownEither(Bar)

/** No as-of sees everything. */
const always = Number.MAX_SAFE_INTEGER

export const contextStore = Effect.map(Store, ({ read, sql, write }) => {
  const failed = (error: { readonly message: string }) => new StorageFailed({ reason: error.message })

  /** To be run within a write. */
  const insert = (items: ReadonlyArray<Omit<ContextItem, "id">>) => {
    const rows = items.map(toRow)
    const statements = []
    for (let at = 0; at < rows.length; at += rowsPerInsert) {
      statements.push(
        sql`INSERT OR IGNORE INTO context_items ${sql.insert(rows.slice(at, at + rowsPerInsert))}`
      )
    }
    return statements
  }

  const about = (options: {
    type: string
    instrument?: InstrumentId | undefined
    asOf?: number | undefined
  }) =>
    sql.and([
      sql`type = ${options.type}`,
      sql`known_at <= ${options.asOf ?? always}`,
      ...(options.instrument === undefined ? [] : [sql`instrument = ${options.instrument}`])
    ])

  const query = (operation: string, statement: ReturnType<typeof sql<Row>>) =>
    Effect.flatMap(Effect.mapError(read(operation, statement), failed), (rows) =>
      Effect.forEach(rows, fromRow)
    )

  const barsOf = (items: ReadonlyArray<ContextItem>, timeFrame: TimeFrame): ReadonlyArray<Bar> =>
    items.flatMap(({ payload }) => {
      const bar = decodeBar(payload)
      return Either.isRight(bar) && toMs(bar.right.timeFrame) === toMs(timeFrame) ? [bar.right] : []
    })

  /** As they were published first, the latest of them first. */
  const reported = ({ asOf, before, count, instrument }: PayloadOf<"Bars">) =>
    sql`FROM context_items WHERE ${about({ type: "bar", instrument, asOf })}
        AND occurred_at <= ${lastClose(asOf, before)} ORDER BY occurred_at DESC LIMIT ${count}`

  /** As they were known at the as-of, late ones among them. Those lie between as many that were not, or before all. */
  const barsCorrected = (options: PayloadOf<"Bars">) => {
    const { asOf, before, count, instrument, timeFrame } = options
    const from = sql`SELECT CASE WHEN count(*) < ${count} THEN 0 ELSE min(occurred_at) END
                     FROM (SELECT occurred_at ${reported(options)})`
    return Effect.flatMap(
      query(
        "read corrected bars",
        sql<Row>`SELECT * FROM context_items
                 WHERE type IN ('bar', 'bar-correction') AND instrument = ${instrument} AND known_at <= ${asOf}
                 AND occurred_at BETWEEN (${from}) AND ${lastClose(asOf, before)}
                 ORDER BY known_at, occurred_at`
      ),
      (items) => {
        const bars = barsOf(items, timeFrame)
        const [first] = bars
        if (first === undefined) return Effect.succeed([])
        // A time frame has several names, and a feed bears one. Whatever was published is taken, however late.
        const own = first.timeFrame
        const book = makeBarBook({ instrument, timeFrame: own, lateBarsMax: Number.POSITIVE_INFINITY })
        const refusals = bars.map(book.accept).filter((verdict) => verdict.kind === "refused")
        const [refusal] = refusals
        const said =
          refusal === undefined
            ? Effect.void
            : Effect.logWarning(
                `${refusals.length} of ${bars.length} bars of ${instrument} are left out, the first because: ${refusal.sentence}`
              )
        return Effect.as(said, book.asOfView(asOf, count))
      }
    )
  }

  return {
    insert,
    keep: (item: Omit<ContextItem, "id">) =>
      Effect.gen(function* () {
        const id = contextItemId(item, canonicalJson(item.payload))
        const before = yield* read(
          "look for a context item",
          sql`SELECT 1 FROM context_items WHERE id = ${id}`
        )
        yield* write("keep a context item", insert([item]))
        return { id, isNew: before.length === 0 }
      }).pipe(Effect.mapError(failed)),
    latest: (options: PayloadOf<"Latest">) =>
      Effect.map(
        query(
          "read the latest context item",
          sql<Row>`SELECT * FROM context_items WHERE ${about(options)} ORDER BY occurred_at DESC LIMIT 1`
        ),
        ([item]) => item ?? null
      ),
    range: ({ from, limit, to, ...options }: PayloadOf<"Range">) =>
      query(
        "read context items",
        sql<Row>`SELECT * FROM context_items WHERE ${about(options)} AND occurred_at >= ${from} AND occurred_at < ${to}
                 ORDER BY occurred_at LIMIT ${limit}`
      ),
    bars: (options: PayloadOf<"Bars">) =>
      options.corrected === true
        ? barsCorrected(options)
        : Effect.map(query("read bars", sql<Row>`SELECT * ${reported(options)}`), (items) =>
            barsOf([...items].reverse(), options.timeFrame)
          ),
    state: Effect.mapError(
      Effect.map(
        read(
          "count context items",
          sql<{ type: string; items: number; latest: number | null }>`
            SELECT type, count(*) AS items, max(occurred_at) AS latest FROM context_items GROUP BY type ORDER BY type`
        ),
        (byType) => ({ items: byType.reduce((sum, { items }) => sum + items, 0), byType })
      ),
      failed
    ),
    /** Retention: the oldest items go. */
    trim: (itemsMax: number) =>
      write("trim context items", [
        sql`DELETE FROM context_items WHERE rowid <= (
              SELECT rowid FROM context_items ORDER BY rowid DESC LIMIT 1 OFFSET ${itemsMax})`
      ])
  }
})
