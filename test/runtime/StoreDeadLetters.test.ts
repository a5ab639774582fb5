import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import { DeadLetters, deadLetterBytesMax } from "../../src/runtime/DeadLetters.ts"
import { Store } from "../../src/runtime/Store.ts"
import * as StoreDeadLetters from "../../src/runtime/StoreDeadLetters.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn, temporaryStore } from "../support/store.ts"

const letter = (n: number, data: Uint8Array = Buffer.from(`data ${n}`)) => ({
  consumer: "probe",
  subject: `subject ${n}`,
  reason: `reason ${n}`,
  data
})

const subjects = (count: number) =>
  Effect.flatMap(DeadLetters, ({ latest }) =>
    Effect.map(latest(count), (letters) => letters.map(({ subject }) => subject))
  )

const kept = Effect.flatMap(Store, ({ sql }) =>
  Effect.map(sql<{ n: number }>`SELECT count(*) AS n FROM dead_letters`, ([row]) => row?.n as number)
)

const record = (from: number, count: number) =>
  Effect.flatMap(DeadLetters, (letters) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => from + i),
      (n) => letters.record(letter(n)),
      { discard: true }
    )
  )

const check = (
  name: string,
  lettersMax: number,
  effect: Effect.Effect<void, unknown, DeadLetters | Store | Scope.Scope>
) =>
  it.scopedLive(name, () =>
    Effect.provide(
      effect,
      StoreDeadLetters.layer(lettersMax).pipe(Layer.provideMerge(temporaryStore()), Layer.provideMerge(quiet))
    )
  )

describe("dead letters in the store", () => {
  check(
    "come back newest first, as they were",
    100,
    Effect.gen(function* () {
      yield* record(0, 5)
      expect(yield* subjects(3)).toEqual(["subject 4", "subject 3", "subject 2"])
      const [newest] = yield* (yield* DeadLetters).latest(1)
      expect(newest).toMatchObject({ consumer: "probe", reason: "reason 4" })
      expect(Buffer.from(newest?.data ?? []).toString("utf8")).toBe("data 4")
    })
  )

  check(
    "are as many as retention keeps, the latest, and counted all",
    10,
    Effect.gen(function* () {
      yield* record(0, 1_000)
      expect(yield* kept).toBeLessThanOrEqual(10 + 100)
      expect(yield* subjects(10)).toEqual(Array.from({ length: 10 }, (_, i) => `subject ${999 - i}`))
      expect(yield* (yield* DeadLetters).count).toBe(1_000)
    })
  )

  it.scopedLive("stay bounded over many short lives", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      for (let life = 0; life < 8; life++) {
        yield* Effect.provide(
          record(life * 20, 20),
          StoreDeadLetters.layer(10).pipe(Layer.provide(storeIn(directory)), Layer.provide(quiet))
        )
      }
      expect(yield* Effect.provide(kept, storeIn(directory))).toBeLessThanOrEqual(10 + 100)
    })
  )

  check(
    "keep of a message its first bytes only, and of a reason its first characters",
    10,
    Effect.gen(function* () {
      const { latest, record } = yield* DeadLetters
      yield* record({ ...letter(1, new Uint8Array(1_000_000).fill(7)), reason: "x".repeat(100_000) })
      const [one] = yield* latest(1)
      expect(one?.data.length).toBe(deadLetterBytesMax)
      expect(one?.reason.length).toBe(2_000)
      expect(one?.reason.endsWith("…")).toBe(true)
    })
  )

  check(
    "from callbacks are kept soon, and dropped but counted beyond what may wait",
    5_000,
    Effect.gen(function* () {
      const letters = yield* DeadLetters
      for (let n = 0; n < 3_000; n++) letters.unsafeRecord(letter(n))
      expect(yield* letters.count).toBe(3_000)
      yield* Effect.yieldNow()
      // Those who wait are written one after the other: this one comes last.
      yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), kept), { until: (n) => n >= 1_000 }).pipe(
        Effect.timeout("10 seconds")
      )
      yield* letters.record(letter(9_999))
      const [newest] = yield* letters.latest(1)
      expect(newest?.subject).toBe("subject 9999")
      expect(yield* kept).toBeLessThanOrEqual(1_002)
      expect(yield* subjects(2)).not.toContain("subject 2999")
    })
  )

  check(
    "never fail whoever records them, though the store does",
    10,
    Effect.gen(function* () {
      const { sql } = yield* Store
      const letters = yield* DeadLetters
      yield* sql`CREATE TRIGGER broken BEFORE INSERT ON dead_letters BEGIN SELECT RAISE(ABORT, 'broken'); END`
      yield* letters.record(letter(1))
      yield* sql`DROP TRIGGER broken`
      yield* letters.record(letter(2))
      expect(yield* subjects(10)).toEqual(["subject 2"])
      expect(yield* letters.count).toBe(2)
    })
  )
})

describe("dead letters in memory", () => {
  it.scoped("are the latest ones, trimmed, and counted all", () =>
    Effect.gen(function* () {
      const letters = Context.get(yield* Layer.build(DeadLetters.layerMemory(3)), DeadLetters)
      for (let n = 0; n < 7; n++) yield* letters.record(letter(n, new Uint8Array(10_000)))
      const latest = yield* letters.latest(10)
      expect(latest.map(({ subject }) => subject)).toEqual(["subject 6", "subject 5", "subject 4"])
      expect(latest.every(({ data }) => data.length === deadLetterBytesMax)).toBe(true)
      expect(yield* letters.count).toBe(7)
    })
  )
})
