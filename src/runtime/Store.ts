/**
 * The SQLite database of one node in one run, through `@effect/sql-sqlite-node`: the journal where there is no
 * NATS, and everywhere snapshots, receipts, dead letters and the tables that agents keep.
 *
 * Writes are grouped: whatever is waiting goes into one transaction, and each writer hears of its own fate
 * after the commit. Pragmas are set on every open, because a reopened database forgets `synchronous`.
 *
 * Durability: with `full`, what is acknowledged survives a power loss; with `process`, it survives the death of
 * the process but not that of the machine. All tables share it.
 */
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Worker } from "node:worker_threads"
import { Reactivity } from "@effect/experimental"
import { Migrator, SqlClient, type SqlError, type Statement } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Chunk, Context, Deferred, Effect, Fiber, Layer, Mailbox, type Scope } from "effect"
import { sha256 } from "../protocols/wire/Json.ts"
import { StoreFailed, StoreUnreadable } from "./errors.ts"
import { migrations } from "./migrations.ts"
import { openWriter, threadOf, type WriterJob, type WriterOptions } from "./storeWriter.js"

export type Durability = "full" | "process"

export interface StoreOptions {
  readonly path: string
  readonly durability: Durability
}

/** Writes that may wait for the next commit. */
const waitingMax = 10_000
/** Writes that go into one commit. */
const groupMax = 1_000
/** "CNCL": marks the file as ours. */
const applicationId = 0x434e434c

/** What is written together. */
export type Statements = ReadonlyArray<Statement.Statement<unknown>>

export class Store extends Context.Tag("conclave/Store")<
  Store,
  {
    readonly path: string
    readonly sql: SqlClient.SqlClient
    /**
     * Runs statements in the next commit, together, and returns once it is on disk. They must not fail for reasons
     * of the domain: decide before.
     */
    readonly write: (operation: string, statements: Statements) => Effect.Effect<void, StoreFailed>
    readonly read: <A>(
      operation: string,
      statements: Effect.Effect<A, SqlError.SqlError>
    ) => Effect.Effect<A, StoreFailed>
  }
>() {}

interface Job {
  readonly operation: string
  readonly statements: Statements
  readonly done: Deferred.Deferred<void, StoreFailed>
}

/** The hash kept beside a row, over everything in it that has meaning. */
export const rowHash = (...parts: ReadonlyArray<string | number | Uint8Array | null>): string => {
  let size = 0
  const chunks = parts.map((part) => {
    const chunk = part instanceof Uint8Array ? part : Buffer.from(String(part), "utf8")
    size += chunk.byteLength + 4
    return chunk
  })
  // Lengths between the parts, so that no two rows run together to the same bytes.
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const chunk of chunks) {
    at = bytes.writeUInt32LE(chunk.byteLength, at)
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return sha256(bytes).slice(0, 32)
}

const reasonOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
  return inner instanceof Error ? inner.message : String(inner)
}

const refuseForeignFile = (path: string): Effect.Effect<void, StoreUnreadable> =>
  Effect.suspend(() => {
    const unreadable = (reason: string) => new StoreUnreadable({ path, reason })
    try {
      mkdirSync(dirname(path), { recursive: true })
      if (!existsSync(path) || statSync(path).size === 0) return Effect.void
      const header = Buffer.alloc(16)
      const file = openSync(path, "r")
      readSync(file, header, 0, 16, 0)
      closeSync(file)
      return header.toString("latin1") === "SQLite format 3\u0000"
        ? Effect.void
        : unreadable("it is not a database")
    } catch (cause) {
      return unreadable(reasonOf(cause))
    }
  })

/** Of every connection, because a database that is opened again has forgotten them. */
const pragmasOf = ({ durability }: StoreOptions) => [
  `synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`,
  "foreign_keys = ON",
  "trusted_schema = OFF",
  "cell_size_check = ON",
  "busy_timeout = 2000",
  "journal_size_limit = 67108864"
]

const connect = Effect.fnUntraced(function* (options: StoreOptions) {
  const sql = yield* SqliteClient.make({ filename: options.path }).pipe(Effect.provide(Reactivity.layer))
  for (const pragma of pragmasOf(options)) yield* sql.unsafe(`PRAGMA ${pragma}`)
  return sql
})

const migrate = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const [{ application_id: marked }] = (yield* sql`PRAGMA application_id`) as [{ application_id: number }]
  const [{ tables }] = (yield* sql`SELECT count(*) AS tables FROM sqlite_master`) as [{ tables: number }]
  if (marked !== applicationId && tables > 0) {
    return yield* Effect.fail(new Error("it is a database of another program"))
  }
  yield* sql.unsafe(`PRAGMA application_id = ${applicationId}`)
  yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "migrations" }).pipe(
    Effect.provideService(SqlClient.SqlClient, sql)
  )
})

/** Runs jobs, and says of each what came of it. */
type Commit = (jobs: ReadonlyArray<WriterJob>) => Effect.Effect<ReadonlyArray<string | null>>

const writeHere = (options: WriterOptions): Effect.Effect<Commit, unknown, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.try({ try: () => openWriter(options), catch: (cause) => cause }), (writer) =>
      Effect.sync(() => writer.close())
    ),
    (writer) => (jobs) => Effect.sync(() => writer.commit(jobs))
  )

/** A view on a larger buffer would take the whole buffer along. */
const ownBytes = (parameter: unknown) =>
  parameter instanceof Uint8Array && parameter.byteLength < parameter.buffer.byteLength
    ? parameter.slice()
    : parameter

const writeInThread = (options: WriterOptions): Effect.Effect<Commit, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const worker = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Worker(new URL("./storeWriter.js", import.meta.url), { workerData: { [threadOf]: options } })
      ),
      (worker) =>
        Effect.async<void>((resume) => {
          worker.once("exit", () => resume(Effect.void))
          worker.postMessage(null)
          if (worker.threadId < 0) resume(Effect.void)
        })
    )
    let ended: string | undefined
    /** One request is on its way at a time, and this hears of its fate. */
    let hear: (results: ReadonlyArray<string | null> | undefined) => void = () => undefined
    worker.on("message", (results) => hear(results))
    worker.on("error", (cause) => {
      ended = reasonOf(cause)
    })
    worker.on("exit", () => {
      ended ??= "the thread that writes has ended"
      hear(undefined)
    })
    const answer = (count: number) =>
      Effect.async<ReadonlyArray<string | null>>((resume) => {
        const lost = () => Array<string>(count).fill(ended ?? "the thread that writes has ended")
        if (ended !== undefined) return resume(Effect.succeed(lost()))
        hear = (results) => resume(Effect.succeed(results ?? lost()))
      })
    const [refused] = yield* answer(1)
    if (refused !== undefined) return yield* Effect.fail(new Error(refused ?? ""))
    return (jobs: ReadonlyArray<WriterJob>) =>
      Effect.suspend(() => {
        const owned = jobs.map((job) =>
          job.map(([text, parameters]) => [text, parameters.map(ownBytes)] as const)
        )
        worker.postMessage(owned)
        return answer(jobs.length)
      })
  })

/** A connection that writes and one that reads: neither waits for the other. */
const open = (options: StoreOptions) => {
  const { durability, path } = options
  const unreadable = (cause: unknown) => new StoreUnreadable({ path, reason: reasonOf(cause) })
  const writer = { path, pragmas: pragmasOf(options) }
  const opened = Effect.gen(function* () {
    const sql = yield* connect(options)
    yield* migrate(sql)
    // Only a commit that waits for the disk is worth the way to a thread and back.
    return { sql, commit: yield* durability === "full" ? writeInThread(writer) : writeHere(writer) }
  })
  return Effect.zipRight(
    refuseForeignFile(path),
    opened.pipe(Effect.mapError(unreadable), Effect.catchAllDefect(unreadable))
  )
}

const make = Effect.fnUntraced(function* (options: StoreOptions) {
  const { commit, sql } = yield* open(options)
  const queue = yield* Mailbox.make<Job>({ capacity: waitingMax, strategy: "suspend" })
  const failed = (operation: string, cause: unknown) =>
    new StoreFailed({ operation, reason: reasonOf(cause) })

  const settle = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
    const results = yield* commit(jobs.map(({ statements }) => statements.map((one) => one.compile())))
    jobs.forEach(({ done, operation }, i) => {
      const reason = results[i] ?? null
      Deferred.unsafeDone(done, reason === null ? Effect.void : failed(operation, reason))
    })
  })

  const committer = yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (let done = false; !done; ) {
        const [jobs, ended] = yield* queue.takeAll
        for (let at = 0; at < jobs.length; at += groupMax) {
          yield* settle(Chunk.toReadonlyArray(jobs).slice(at, at + groupMax))
        }
        done = ended
      }
    }).pipe(Effect.uninterruptible)
  )
  // What waits is still committed; what comes later is refused.
  yield* Effect.addFinalizer(() => Effect.zipRight(queue.end, Fiber.await(committer)))

  return Store.of({
    path: options.path,
    sql,
    write: (operation, statements) =>
      Effect.flatMap(Deferred.make<void, StoreFailed>(), (done) =>
        Effect.flatMap(queue.offer({ operation, statements, done }), (accepted) =>
          accepted ? Deferred.await(done) : failed(operation, "it is closing")
        )
      ),
    read: (operation, statements) =>
      Effect.mapError(Effect.withTracerEnabled(statements, false), (cause) => failed(operation, cause))
  })
})

/** Opens the database, creating or migrating it. */
export const layer = (options: StoreOptions): Layer.Layer<Store, StoreUnreadable> =>
  Layer.scoped(Store, make(options))
