/**
 * History from a SQLite file that others write: a table `bars`, read page by page and never written to.
 *
 * What can go wrong: reading happens on the main thread. Pages are therefore small, a table that has to be searched
 * from end to end for want of a key is refused, and a writer's lock is not waited for in the database but outside.
 */
import Database from "better-sqlite3"
import { Chunk, Clock, Effect, Option, Schedule, type Scope, Stream } from "effect"
import { breathe } from "../../../runtime/breathe.ts"
import type { BarSource, HistoryRequest } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import { makeBarSieve, type ReadBar } from "./BarSieve.ts"
import { closesAt, makeBar } from "./decodeBar.ts"
import { reasonOf, sourceFailed } from "./failure.ts"
import { listedInstrument, normalUnits, type SqliteSettings } from "./SourceSettings.ts"

/** Rows that are read in one go: a third of a millisecond. */
const pageRows = 256
const keyColumns = ["instrument", "time_frame", "open_time"]
/** A lock that is held for longer makes the source unavailable. */
const whileLocked = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(40))

const pageSql = `
  SELECT open_time, open, high, low, close, volume FROM bars
  WHERE instrument = ? AND time_frame = ? AND open_time >= ? AND open_time < ?
  ORDER BY open_time LIMIT ${pageRows}`

interface Row {
  readonly open_time: unknown
  readonly open: unknown
  readonly high: unknown
  readonly low: unknown
  readonly close: unknown
  readonly volume: unknown
}

const codeOf = (cause: unknown): string => (cause instanceof Database.SqliteError ? cause.code : "")

const isLocked = (cause: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(cause))

const kindOf = (cause: unknown): SourceFailed["kind"] =>
  /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(cause)) ? "malformed" : "unavailable"

/** Whether a page is found without a search through the whole table. */
const hasKey = (database: Database.Database): boolean => {
  const indices = database.pragma("index_list('bars')") as ReadonlyArray<{
    readonly name: string
    /** 1 where it holds a part of the rows. */
    readonly partial: number
  }>
  const columnsOf = database.prepare<[string], { name: string | null }>(
    "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
  )
  return indices.some(({ name, partial }) => {
    const columns = columnsOf.all(name).map((column) => column.name)
    return partial === 0 && keyColumns.every((column, i) => columns[i] === column)
  })
}

const numberOf = (value: unknown): number => (typeof value === "number" ? value : Number.NaN)

export const openSqlite = (settings: SqliteSettings): Effect.Effect<BarSource, SourceFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { name, path, units } = settings
    const failure = (cause: unknown) => sourceFailed(name, kindOf(cause), `${path}: ${reasonOf(cause)}`)
    const reading = <A>(read: () => A): Effect.Effect<A, SourceFailed> =>
      Effect.try({ try: read, catch: (cause) => cause }).pipe(
        Effect.retry({ schedule: whileLocked, while: isLocked }),
        Effect.mapError(failure)
      )
    const database = yield* Effect.acquireRelease(
      Effect.try({
        try: () => new Database(path, { readonly: true, fileMustExist: true, timeout: 0 }),
        catch: failure
      }),
      (database) => Effect.sync(() => void database.close())
    )
    if (!(yield* reading(() => hasKey(database)))) {
      const key = keyColumns.join(", ")
      return yield* sourceFailed(name, "refused", `${path}: it has no table bars with a key (${key})`)
    }
    const select = yield* reading(() => database.prepare<[string, string, number, number], Row>(pageSql))
    const instruments = settings.instruments.map(listedInstrument)
    const sieve = makeBarSieve(name)

    const history = ({ from, instrument, timeFrame, to }: HistoryRequest) =>
      Stream.unwrap(
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const place = { source: name, instrument, timeFrame, units }
          const sift = sieve.ofHistory()
          return Stream.paginateChunkEffect(
            from,
            Effect.fnUntraced(function* (since) {
              const rows = yield* reading(() => select.all(instrument.id, timeFrame, since, to))
              const read: Array<ReadBar> = []
              let isOver = rows.length < pageRows
              for (const row of rows) {
                const openTime = numberOf(row.open_time)
                if (closesAt(place, openTime) > nowMs) {
                  isOver = true
                  break
                }
                const numbers = {
                  openTime,
                  open: numberOf(row.open),
                  high: numberOf(row.high),
                  low: numberOf(row.low),
                  close: numberOf(row.close),
                  volume: row.volume === null ? null : numberOf(row.volume),
                  revision: 0
                }
                read.push(makeBar(place, numbers, { nowMs, receivedAt: null }))
              }
              const bars = yield* sift(read)
              yield* breathe
              const last = rows.at(-1)
              const next =
                last === undefined || isOver ? Option.none() : Option.some(numberOf(last.open_time) + 1)
              return [Chunk.unsafeFromArray(bars), next] as const
            })
          )
        })
      )

    return {
      name,
      kind: "sqlite",
      units: normalUnits,
      instruments: Effect.succeed(instruments),
      history,
      live: null,
      refused: sieve.refused
    }
  })
