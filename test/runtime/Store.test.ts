import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Reactivity } from "@effect/experimental"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber, Layer, Scope } from "effect"
import fc from "fast-check"
import * as Store from "../../src/runtime/Store.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn, storePath, temporaryStore } from "../support/store.ts"

const pragma = (name: string) =>
  Effect.flatMap(Store.Store, ({ sql }) =>
    Effect.map(sql.unsafe<Record<string, unknown>>(`PRAGMA ${name}`), ([row]) => Object.values(row ?? {})[0])
  )

const pragmas = Effect.all({
  synchronous: pragma("synchronous"),
  journalMode: pragma("journal_mode"),
  foreignKeys: pragma("foreign_keys"),
  trustedSchema: pragma("trusted_schema"),
  cellSizeCheck: pragma("cell_size_check"),
  busyTimeout: pragma("busy_timeout")
})

const others = { journalMode: "wal", foreignKeys: 1, trustedSchema: 0, cellSizeCheck: 1, busyTimeout: 2_000 }

const fence = (stream: string, epoch: number | null) =>
  Effect.flatMap(Store.Store, ({ sql, write }) =>
    write("write a fence", [sql`INSERT INTO fences (stream, epoch) VALUES (${stream}, ${epoch})`])
  )

const fences = Effect.flatMap(Store.Store, ({ read, sql }) =>
  Effect.map(
    read("read fences", sql<{ stream: string }>`SELECT stream FROM fences ORDER BY stream`),
    (rows) => rows.map(({ stream }) => stream)
  )
)

const names = (count: number) => Array.from({ length: count }, (_, i) => `f${String(i).padStart(4, "0")}`)

/** Commits in the write-ahead log: frames that name the size of the database after them. */
const commitsIn = (directory: string): number => {
  const wal = readFileSync(`${storePath(directory)}-wal`)
  const frameBytes = 24 + wal.readUInt32BE(8)
  let commits = 0
  for (let at = 32; at + frameBytes <= wal.length; at += frameBytes) {
    if (wal.readUInt32BE(at + 4) !== 0) commits++
  }
  return commits
}

const refusal = (directory: string) =>
  Effect.flip(Effect.scoped(Effect.provide(Effect.void, Layer.merge(storeIn(directory), quiet))))

describe("Store", () => {
  for (const [durability, synchronous] of [
    ["full", 2],
    ["process", 1]
  ] as const) {
    it.scopedLive(`sets its pragmas anew on every open (durability ${durability})`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const inOneLife = Effect.provide(pragmas, storeIn(directory, durability))
        expect(yield* inOneLife).toEqual({ ...others, synchronous })
        expect(yield* inOneLife).toEqual({ ...others, synchronous })
      })
    )
  }

  it.scopedLive("refuses a file that is no database, and leaves it as it is", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const content = "Dear diary, this is no database."
      writeFileSync(storePath(directory), content)
      expect(yield* refusal(directory)).toMatchObject({
        _tag: "StoreUnreadable",
        path: storePath(directory),
        reason: "it is not a database"
      })
      expect(readFileSync(storePath(directory), "utf8")).toBe(content)
    })
  )

  it.scopedLive("refuses a file that begins like a database and goes on as anything", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const noise = Buffer.from(Array.from({ length: 8_192 }, (_, i) => (i * 197 + 31) % 256))
      writeFileSync(storePath(directory), Buffer.concat([Buffer.from("SQLite format 3\u0000"), noise]))
      expect((yield* refusal(directory))._tag).toBe("StoreUnreadable")
    })
  )

  it.scopedLive("refuses a database of another program, and leaves its tables as they are", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const foreign = <A, E>(use: (sql: SqliteClient.SqliteClient) => Effect.Effect<A, E>) =>
        Effect.scoped(Effect.flatMap(SqliteClient.make({ filename: storePath(directory) }), use)).pipe(
          Effect.provide(Reactivity.layer)
        )
      yield* foreign((sql) => sql`CREATE TABLE recipes (name TEXT)`)
      expect(yield* refusal(directory)).toMatchObject({
        _tag: "StoreUnreadable",
        reason: "it is a database of another program"
      })
      const tables = yield* foreign((sql) => sql<{ name: string }>`SELECT name FROM sqlite_master`)
      expect(tables.map(({ name }) => name)).toEqual(["recipes"])
    })
  )

  it.scopedLive("refuses a path that cannot be a file", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      mkdirSync(storePath(directory))
      expect((yield* refusal(directory))._tag).toBe("StoreUnreadable")
      writeFileSync(join(directory, "file"), "x")
      expect((yield* refusal(join(directory, "file")))._tag).toBe("StoreUnreadable")
    })
  )
})

for (const durability of ["full", "process"] as const) {
  describe(`Store, writing with durability ${durability}`, () => {
    it.scopedLive("keeps what was written for its next life", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        yield* Effect.provide(fence("a", 1), storeIn(directory, durability))
        yield* Effect.provide(fence("b", 1), storeIn(directory, durability))
        expect(yield* Effect.provide(fences, storeIn(directory, durability))).toEqual(["a", "b"])
      })
    )

    it.scopedLive("puts what waits together into few commits", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        yield* Effect.gen(function* () {
          const before = commitsIn(directory)
          yield* Effect.forEach(names(500), (name) => fence(name, 1), { concurrency: "unbounded" })
          expect(yield* fences).toEqual(names(500))
          const commits = commitsIn(directory) - before
          expect(commits).toBeGreaterThanOrEqual(1)
          expect(commits).toBeLessThanOrEqual(5)
        }).pipe(Effect.provide(storeIn(directory, durability)))
      })
    )

    it.scopedLive("lets one writer's failure take down nobody who shared its commit", () =>
      Effect.gen(function* () {
        const all = names(50)
        const results = yield* Effect.forEach(
          all,
          (name, i) => Effect.either(fence(name, i % 10 === 3 ? null : 1)),
          { concurrency: "unbounded" }
        )
        const failed = all.filter((_, i) => Either.isLeft(results[i] as (typeof results)[number]))
        expect(failed).toEqual(all.filter((_, i) => i % 10 === 3))
        const [first] = results.filter(Either.isLeft)
        expect(first?.left).toMatchObject({ _tag: "StoreFailed", operation: "write a fence" })
        expect(first?.left.reason).toContain("NOT NULL")
        expect(yield* fences).toEqual(all.filter((_, i) => i % 10 !== 3))
      }).pipe(Effect.provide(temporaryStore(durability)))
    )

    it.scopedLive("writes the statements of one writer together or not at all", () =>
      Effect.gen(function* () {
        const { sql, write } = yield* Store.Store
        const insert = (stream: string, epoch: number | null) =>
          sql`INSERT INTO fences (stream, epoch) VALUES (${stream}, ${epoch})`
        const failed = yield* Effect.flip(write("write two", [insert("a", 1), insert("b", null)]))
        expect(failed._tag).toBe("StoreFailed")
        expect(yield* fences).toEqual([])
        yield* write("write two", [insert("a", 1), insert("b", 2)])
        expect(yield* fences).toEqual(["a", "b"])
      }).pipe(Effect.provide(temporaryStore(durability)))
    )

    it.scopedLive("says that the disk is full, and resumes when there is room", () =>
      Effect.gen(function* () {
        const { sql, write } = yield* Store.Store
        const pages = (yield* pragma("page_count")) as number
        yield* write("limit the file", [sql.unsafe(`PRAGMA max_page_count = ${pages}`)])
        const error = yield* Effect.flip(fence("x".repeat(100_000), 1))
        expect(error).toMatchObject({ _tag: "StoreFailed", reason: "database or disk is full" })
        yield* fence("small", 1)
        yield* write("lift the limit", [sql.unsafe("PRAGMA max_page_count = 1000000")])
        yield* fence("y".repeat(100_000), 1)
        expect((yield* fences).map((name) => name.length)).toEqual([5, 100_000])
      }).pipe(Effect.provide(temporaryStore(durability)))
    )

    it.scopedLive("commits what waits when it closes, and refuses the rest by name", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(storeIn(directory, durability), scope)
        const all = names(300)
        const writing = yield* Effect.forEach(all, (name) => Effect.fork(Effect.either(fence(name, 1)))).pipe(
          Effect.provide(context)
        )
        yield* Effect.yieldNow()
        yield* Scope.close(scope, Exit.void)
        const results = yield* Fiber.join(Fiber.all(writing))
        const refused = results.filter(Either.isLeft).map(({ left }) => left.reason)
        expect(refused.filter((reason) => reason !== "it is closing")).toEqual([])
        const accepted = all.filter((_, i) => Either.isRight(results[i] as (typeof results)[number]))
        expect(accepted.length).toBeGreaterThan(0)
        expect(yield* Effect.provide(fences, storeIn(directory, durability))).toEqual(accepted)
        const late = yield* Effect.flip(Effect.provide(fence("late", 1), context))
        expect(late).toMatchObject({ _tag: "StoreFailed", reason: "it is closing" })
      })
    )
  })
}

describe("the hash of a row", () => {
  const part = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.uint8Array({ maxLength: 20 }))
  const meaning = (parts: ReadonlyArray<string | number | Uint8Array | null>) =>
    JSON.stringify(
      parts.map((one) =>
        Buffer.from(one instanceof Uint8Array ? one : Buffer.from(String(one))).toString("hex")
      )
    )

  it("is the same for the same parts and another for others", () => {
    fc.assert(
      fc.property(fc.array(part), fc.array(part), (a, b) => {
        expect(Store.rowHash(...a) === Store.rowHash(...b)).toBe(meaning(a) === meaning(b))
        expect(Store.rowHash(...a)).toBe(Store.rowHash(...a))
      })
    )
  })

  it("tells apart rows whose parts run together to the same bytes, whatever stands between them", () => {
    const lengthOf = (text: string) => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32LE(Buffer.byteLength(text))
      return bytes
    }
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), (head, rest) => {
        for (const between of [Buffer.alloc(0), Buffer.alloc(4), lengthOf(rest)]) {
          const joined = Buffer.concat([Buffer.from(head), between, Buffer.from(rest)])
          expect(Store.rowHash(head, rest)).not.toBe(Store.rowHash(joined))
          expect(Store.rowHash(head, rest)).not.toBe(Store.rowHash("", joined))
        }
      })
    )
  })

  it("changes with every bit", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), fc.nat(7), (bytes, at, bit) => {
        const flipped = Uint8Array.from(bytes)
        const i = at % bytes.length
        flipped[i] = (flipped[i] as number) ^ (1 << bit)
        expect(Store.rowHash("stream", 1, flipped)).not.toBe(Store.rowHash("stream", 1, bytes))
      })
    )
  })
})
