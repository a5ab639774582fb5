/**
 * The SQLite database of one node in one run, through `@effect/sql-sqlite-node`: the journal where there is no
 * NATS, and everywhere snapshots, receipts, dead letters and the tables that agents keep.
 *
 * Writes are grouped: whatever is waiting goes into one transaction, and each writer hears of its own fate
 * after the commit. A group in which one fails is undone and its members are tried one by one, so that nobody
 * fails for another's fault. Pragmas are set on every open, because a reopened database forgets `synchronous`.
 *
 * Durability: with `full`, what is acknowledged survives a power loss; with `process`, it survives the death of
 * the process but not that of the machine. All tables share it.
 */
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { Reactivity } from "@effect/experimental"
import { Migrator, SqlClient, type SqlError, type Statement } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Cause, Chunk, Context, Deferred, Effect, Exit, Fiber, Layer, Mailbox } from "effect"
import { sha256 } from "../protocols/wire/Json.ts"
import { StoreFailed, StoreUnreadable } from "./errors.ts"
import { migrations } from "./migrations.ts"

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

/** One connection. Pragmas are set here, because a database that is opened again has forgotten them. */
const connect = Effect.fnUntraced(function* ({ durability, path }: StoreOptions) {
  const sql = yield* SqliteClient.make({ filename: path }).pipe(Effect.provide(Reactivity.layer))
  yield* sql.unsafe(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`)
  yield* sql`PRAGMA foreign_keys = ON`
  yield* sql`PRAGMA trusted_schema = OFF`
  yield* sql`PRAGMA cell_size_check = ON`
  yield* sql`PRAGMA busy_timeout = 2000`
  yield* sql`PRAGMA journal_size_limit = 67108864`
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

/** A connection that writes and one that reads: neither waits for the other. */
const open = (options: StoreOptions) => {
  const { path } = options
  const unreadable = (cause: unknown) => new StoreUnreadable({ path, reason: reasonOf(cause) })
  const opened = Effect.gen(function* () {
    const writer = yield* connect(options)
    yield* migrate(writer)
    return { connection: yield* writer.reserve, sql: yield* connect(options) }
  })
  return Effect.zipRight(
    refuseForeignFile(path),
    opened.pipe(Effect.mapError(unreadable), Effect.catchAllDefect(unreadable))
  )
}

const make = Effect.fnUntraced(function* (options: StoreOptions) {
  const { connection, sql } = yield* open(options)
  const queue = yield* Mailbox.make<Job>({ capacity: waitingMax, strategy: "suspend" })
  const failed = (operation: string, cause: unknown) =>
    new StoreFailed({ operation, reason: reasonOf(cause) })

  // Preparing a statement anew costs less than finding it in the client's cache.
  const run = (text: string, parameters: ReadonlyArray<unknown> = []) =>
    connection.executeUnprepared(text, parameters, undefined)

  /** Runs jobs in one transaction. On any failure, at the commit too, nothing of it remains. */
  const transact = (jobs: ReadonlyArray<Job>) => {
    const work = Effect.gen(function* () {
      yield* run("BEGIN IMMEDIATE")
      for (const { statements } of jobs) {
        for (const statement of statements) yield* run(...statement.compile())
      }
      yield* run("COMMIT")
    })
    return Effect.onError(work, () => Effect.ignore(run("ROLLBACK")))
  }

  const settle = (job: Job, exit: Exit.Exit<void, unknown>) =>
    Deferred.unsafeDone(
      job.done,
      Exit.mapErrorCause(exit, (cause) => Cause.fail(failed(job.operation, Cause.squash(cause))))
    )

  const commit = Effect.fnUntraced(function* (jobs: ReadonlyArray<Job>) {
    const exit = yield* Effect.exit(transact(jobs))
    const isDecided = Exit.isSuccess(exit) || jobs.length === 1
    for (const job of jobs) settle(job, isDecided ? exit : yield* Effect.exit(transact([job])))
  })

  const committer = yield* Effect.forkScoped(
    Effect.gen(function* () {
      for (let done = false; !done; ) {
        const [jobs, ended] = yield* queue.takeAll
        for (let at = 0; at < jobs.length; at += groupMax) {
          yield* commit(Chunk.toReadonlyArray(jobs).slice(at, at + groupMax))
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
