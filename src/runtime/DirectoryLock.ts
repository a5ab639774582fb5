/**
 * One process per data directory. The lock is SQLite's own lock on a small file: the operating system lets go
 * of it when the process dies, however it dies, so that nothing stale is ever left to clean up.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Reactivity } from "@effect/experimental"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Effect, type Scope } from "effect"
import { DirectoryLocked, StoreUnreadable } from "./errors.ts"
import { makeDirectory } from "./makeDirectory.ts"

/** Of what SQLite says, the words; drivers wrap them. */
const reasonOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
  return inner instanceof Error ? inner.message : String(inner)
}

const isBusy = (cause: unknown): boolean => {
  const inner = cause instanceof Error ? cause.cause : undefined
  return String((inner as { readonly code?: unknown } | undefined)?.code).startsWith("SQLITE_BUSY")
}

const describeHolder = (directory: string): string => {
  try {
    return readFileSync(join(directory, "holder"), "utf8").trim().slice(0, 200)
  } catch {
    return "unknown process"
  }
}

/** Holds the directory until the scope closes. `holder` is what others are told, like "process 12, run x". */
export const lockDirectory = (
  directory: string,
  holder: string
): Effect.Effect<void, DirectoryLocked | StoreUnreadable, Scope.Scope> =>
  Effect.gen(function* () {
    const path = join(directory, "lock.db")
    const unreadable = (cause: unknown) => new StoreUnreadable({ path, reason: reasonOf(cause) })
    yield* Effect.try({ try: () => makeDirectory(directory), catch: unreadable })
    const sql = yield* SqliteClient.make({ filename: path, disableWAL: true }).pipe(
      Effect.provide(Reactivity.layer),
      Effect.catchAllDefect(unreadable)
    )
    yield* Effect.mapError(sql`PRAGMA busy_timeout = 0`, unreadable)
    yield* Effect.mapError(sql`BEGIN EXCLUSIVE`, (cause) =>
      isBusy(cause)
        ? new DirectoryLocked({ directory, holder: describeHolder(directory) })
        : unreadable(cause)
    )
    yield* Effect.try({
      try: () => writeFileSync(join(directory, "holder"), `${holder}\n`),
      catch: unreadable
    })
  }).pipe(Effect.withTracerEnabled(false))
