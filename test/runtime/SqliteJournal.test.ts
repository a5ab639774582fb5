import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Epoch, Sequence, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import { Store } from "../../src/runtime/Store.ts"
import { bundled } from "../support/bundle.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { runProgram } from "../support/program.ts"
import { flipBitOf, quiet, storeIn, temporaryStore } from "../support/store.ts"

const journalIn = (directory: string) =>
  SqliteJournal.layer.pipe(Layer.provideMerge(storeIn(directory)), Layer.merge(quiet))

const temporaryJournal = SqliteJournal.layer.pipe(Layer.provideMerge(temporaryStore()), Layer.merge(quiet))

const append = (stream: string, content: string, epoch = 1) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const expected = yield* journal.last(stream)
    const data = Buffer.from(content)
    return yield* journal.append({ stream, expected, epoch: Epoch.make(epoch), id: content, data })
  })

const contents = (stream: string) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const through = yield* journal.last(stream)
    const records = yield* Stream.runCollect(journal.replay(stream, sequenceZero, through))
    return [...records].map(({ data }) => Buffer.from(data).toString("utf8"))
  })

describe("the journal in SQLite", () => {
  it.scopedLive("goes on in its next life where it ended, with every stream at its place", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const last = yield* Effect.provide(
        Effect.zipRight(append("b", "b1"), append("a", "a1")),
        journalIn(directory)
      )
      yield* Effect.gen(function* () {
        expect(yield* (yield* Journal).last("a")).toBe(last)
        expect(yield* append("b", "b2")).toBeGreaterThan(last)
        expect(yield* contents("a")).toEqual(["a1"])
        expect(yield* contents("b")).toEqual(["b1", "b2"])
      }).pipe(Effect.provide(journalIn(directory)))
    })
  )

  it.scopedLive("keeps a fence over its death, though nothing was written under it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const fence = Effect.flatMap(Journal, (journal) => journal.fence("a", Epoch.make(5)))
      yield* Effect.provide(Effect.zipRight(append("a", "old", 3), fence), journalIn(directory))
      const stale = yield* Effect.provide(Effect.flip(append("a", "late", 4)), journalIn(directory))
      expect(stale).toMatchObject({ _tag: "StaleEpoch", epoch: 4, current: 5 })
    })
  )

  it.scopedLive("knows a repeated append again after its death", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const once = Effect.flatMap(Journal, (journal) =>
        journal.append({
          stream: "a",
          expected: sequenceZero,
          epoch: Epoch.make(1),
          id: "one",
          data: Buffer.from("one")
        })
      )
      const sequence = yield* Effect.provide(once, journalIn(directory))
      expect(yield* Effect.provide(once, journalIn(directory))).toBe(sequence)
      expect(yield* Effect.provide(contents("a"), journalIn(directory))).toEqual(["one"])
    })
  )

  for (const { what, text } of [
    { what: "content", text: "the content of the second" },
    { what: "id", text: "name-of-the-second" }
  ]) {
    it.scopedLive(`never gives a record out as right when a bit of its ${what} has flipped`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const write = Effect.gen(function* () {
          const journal = yield* Journal
          const first = yield* append("a", "first")
          return yield* journal.append({
            stream: "a",
            expected: first,
            epoch: Epoch.make(1),
            id: "name-of-the-second",
            data: Buffer.from("the content of the second")
          })
        })
        const second = yield* Effect.provide(write, journalIn(directory))
        yield* flipBitOf(directory, text)
        yield* Effect.gen(function* () {
          const journal = yield* Journal
          const all = Effect.flip(contents("a"))
          const one = Effect.flip(journal.readOne("a", second))
          const corrupt = { _tag: "CorruptRecord", table: "events", key: `a/${second}` }
          expect(yield* all).toMatchObject(corrupt)
          expect(yield* one).toMatchObject(corrupt)
        }).pipe(Effect.provide(journalIn(directory)))
      })
    )
  }

  for (const [column, value] of [
    ["epoch", "0"],
    ["stream", "'b'"],
    ["sequence", "17"],
    ["data", "x'00'"]
  ] as const) {
    it.scopedLive(`detects a record whose ${column} is not what was written`, () =>
      Effect.gen(function* () {
        const { sql } = yield* Store
        yield* append("a", "one")
        yield* append("a", "two")
        yield* sql.unsafe(`UPDATE events SET ${column} = ${value} WHERE id = 'one'`)
        const { readOne } = yield* Journal
        const where = column === "stream" ? "b" : "a"
        const at = Sequence.make(column === "sequence" ? 17 : 1)
        expect((yield* Effect.flip(readOne(where, at)))._tag).toBe("CorruptRecord")
      }).pipe(Effect.provide(temporaryJournal))
    )
  }

  it.scopedLive("acknowledges nothing when the disk is full, and goes on from there when there is room", () =>
    Effect.gen(function* () {
      const { sql, write } = yield* Store
      yield* append("a", "one")
      const [{ page_count: pages }] = (yield* sql`PRAGMA page_count`) as [{ page_count: number }]
      yield* write("limit the file", [sql.unsafe(`PRAGMA max_page_count = ${pages}`)])
      const error = yield* Effect.flip(append("a", "x".repeat(100_000)))
      expect(error).toMatchObject({ _tag: "JournalUnavailable", reason: "database or disk is full" })
      yield* append("a", "two")
      yield* write("lift the limit", [sql.unsafe("PRAGMA max_page_count = 1000000")])
      yield* append("a", "three")
      expect(yield* contents("a")).toEqual(["one", "two", "three"])
    }).pipe(Effect.provide(temporaryJournal))
  )

  it.scopedLive("keeps sequences rising over retention and death", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const last = yield* Effect.provide(
        Effect.gen(function* () {
          for (let i = 0; i < 10; i++) yield* append("a", `${i}`)
          const journal = yield* Journal
          yield* journal.trim("a", 2)
          return yield* journal.last("a")
        }),
        journalIn(directory)
      )
      yield* Effect.gen(function* () {
        expect(yield* contents("a")).toEqual(["8", "9"])
        expect(yield* append("a", "10")).toBeGreaterThan(last)
        expect(yield* contents("a")).toEqual(["8", "9", "10"])
      }).pipe(Effect.provide(journalIn(directory)))
    })
  )
})

describe("the journal of a process that is killed while it writes", () => {
  for (const after of [1, 40, 400]) {
    it.scopedLive(`holds everything that was acknowledged, in order (after ${after})`, () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const process = yield* runProgram(yield* bundled("test/support/holder.ts"), ["journal", directory])
        yield* process.says((line) => line === `acknowledged ${after}`)
        yield* process.kill
        const acknowledged = process.lines().length
        yield* Effect.gen(function* () {
          const journal = yield* Journal
          const through = yield* journal.last("a")
          const records = [...(yield* Stream.runCollect(journal.replay("a", sequenceZero, through)))]
          expect(records.length).toBeGreaterThanOrEqual(acknowledged)
          // At most what was on its way when it died.
          expect(records.length).toBeLessThanOrEqual(acknowledged + 1)
          expect(records.map(({ data }) => Number(Buffer.from(data).toString("utf8")))).toEqual(
            records.map((_, i) => i + 1)
          )
        }).pipe(Effect.provide(journalIn(directory)))
      })
    )
  }
})
