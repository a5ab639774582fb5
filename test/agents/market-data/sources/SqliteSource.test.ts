import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Effect, Fiber, TestClock } from "effect"
import { temporaryDirectory } from "../../../support/directory.ts"
import { asleepUntil, bitcoin, ether, historyOf, listed, minuteMs, open, startTime } from "./sources.ts"

const key = "PRIMARY KEY (instrument, time_frame, open_time)"
const tableOf = (rest: string) =>
  `CREATE TABLE bars (instrument TEXT NOT NULL, time_frame TEXT NOT NULL, open_time INTEGER NOT NULL,
   open REAL, high REAL, low REAL, close REAL, volume REAL${rest}`

const insert = (database: Database.Database, instrument: string, minute: number, close: unknown) =>
  database
    .prepare("INSERT INTO bars VALUES (?, '1m', ?, ?, ?, ?, ?, ?)")
    .run(instrument, startTime + minute * minuteMs, close, close, close, close, minute % 2 === 0 ? 3 : null)

const setUp = Effect.fnUntraced(function* (rows: number, table = tableOf(`, ${key}) WITHOUT ROWID`)) {
  const path = join(yield* temporaryDirectory, "bars.db")
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new Database(path)),
    (database) => Effect.sync(() => void database.close())
  )
  database.exec(table)
  database.transaction(() => {
    for (let minute = rows - 1; minute >= 0; minute--) {
      insert(database, bitcoin.id, minute, 100 + minute)
      insert(database, ether.id, minute, 1)
    }
  })()
  return { database, path }
})
const settings = (path: string) => ({
  kind: "sqlite",
  name: "archive",
  path,
  instruments: [bitcoin, ether].map(listed)
})

describe("bars from SQLite", () => {
  it.scopedLive("come ascending over many pages, from the first to before the last", () =>
    Effect.gen(function* () {
      const { path } = yield* setUp(1_000)
      const source = yield* open(settings(path))
      expect(source).toMatchObject({ name: "archive", kind: "sqlite", live: null })
      expect(yield* source.instruments).toEqual([bitcoin, ether])
      const bars = yield* historyOf(source, 3, 997)
      expect(bars.map(({ close }) => close)).toEqual(Array.from({ length: 994 }, (_, i) => 103 + i))
      expect(bars[0]).toMatchObject({ volume: null, source: "archive", openTime: startTime + 3 * minuteMs })
      expect(bars[1]?.volume).toBe(3)
      // Exactly as many as whole pages hold.
      expect((yield* historyOf(source, 0, 512)).length).toBe(512)
      expect(yield* historyOf(source, 2_000, 3_000)).toEqual([])
      expect(yield* historyOf(source, 5, 5)).toEqual([])
    })
  )

  it.scoped("are left out as long as they have not closed", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(startTime + 5.5 * minuteMs)
      const { path } = yield* setUp(10)
      const bars = yield* historyOf(yield* open(settings(path)), 0, 10)
      expect(bars.map(({ close }) => close)).toEqual([100, 101, 102, 103, 104])
    })
  )

  it.scopedLive("are given without a row that is none, wherever it lies, and refused where many are", () =>
    Effect.gen(function* () {
      for (const value of [null, "text", Buffer.from("x"), -1, Number.POSITIVE_INFINITY]) {
        const { database, path } = yield* setUp(300)
        const spoil = database.prepare("UPDATE bars SET close = ? WHERE open_time >= ? AND open_time < ?")
        // The last of a page of 256 rows.
        for (const minute of [0, 255, 290]) {
          spoil.run(value, startTime + minute * minuteMs, startTime + (minute + 1) * minuteMs)
        }
        const source = yield* open(settings(path))
        expect((yield* historyOf(source, 0, 300)).length).toBe(297)
        expect(source.refused()).toBe(3)
        spoil.run(value, startTime + 100 * minuteMs, startTime + 111 * minuteMs)
        const outcome = yield* Effect.either(Effect.map(historyOf(source, 0, 300), (bars) => bars.length))
        expect(outcome).toMatchObject({ left: { kind: "malformed" } })
        expect((yield* historyOf(source, 120, 300)).length).toBe(178)
      }
    })
  )

  it.scopedLive("are read from a table with a key alone, in this order", () =>
    Effect.gen(function* () {
      const index = tableOf(")")
      for (const [table, isTaken] of [
        [index, false],
        [`${index}; CREATE INDEX by_time ON bars (open_time, instrument, time_frame)`, false],
        [`${index}; CREATE INDEX some ON bars (instrument, time_frame, open_time) WHERE volume > 1`, false],
        [`${index}; CREATE UNIQUE INDEX by_key ON bars (instrument, time_frame, open_time)`, true]
      ] as const) {
        const { path } = yield* setUp(10, table)
        const opened = yield* Effect.either(open(settings(path)))
        expect(opened._tag).toBe(isTaken ? "Right" : "Left")
        if (opened._tag === "Left") expect(opened.left.message).toContain("no table bars with a key")
      }
    })
  )

  it.scopedLive("are not to be had from a file that is none, or not there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const nowhere = yield* Effect.flip(open(settings(join(directory, "nowhere.db"))))
      expect(nowhere).toMatchObject({ kind: "unavailable" })
      const path = join(directory, "notes.db")
      writeFileSync(path, "these are my notes ".repeat(100))
      expect(yield* Effect.flip(open(settings(path)))).toMatchObject({ kind: "malformed" })
    })
  )

  it.scoped("wait for a writer that holds a lock, for a while", () =>
    Effect.gen(function* () {
      const nowMs = startTime + 60 * minuteMs
      yield* TestClock.setTime(nowMs)
      const { database, path } = yield* setUp(10)
      const source = yield* open(settings(path))
      database.exec("BEGIN EXCLUSIVE")
      const patient = yield* Effect.fork(historyOf(source, 0, 10))
      yield* asleepUntil(nowMs + 50)
      database.exec("COMMIT")
      yield* TestClock.adjust("50 millis")
      expect((yield* Fiber.join(patient)).length).toBe(10)
      database.exec("BEGIN EXCLUSIVE")
      const disappointed = yield* Effect.fork(Effect.flip(historyOf(source, 0, 10)))
      for (let tries = 2; tries < 42; tries++) {
        yield* asleepUntil(nowMs + tries * 50)
        yield* TestClock.adjust("50 millis")
      }
      expect(yield* Fiber.join(disappointed)).toMatchObject({ kind: "unavailable" })
    })
  )
})
