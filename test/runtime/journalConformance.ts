/** What every journal has to do. Each suite runs the same sentences against its own layer. */
import { expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, type Layer, Logger, type Scope, Stream } from "effect"
import { Epoch, Sequence, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { Journal } from "../../src/runtime/Journal.ts"

const bytes = (text: string) => Buffer.from(text, "utf8")
const texts = (records: Iterable<{ readonly data: Uint8Array }>) =>
  [...records].map((record) => Buffer.from(record.data).toString("utf8"))

const epoch = (n: number) => Epoch.make(n)

/** Writes texts one after the other, from the end of the stream on. */
const write = (stream: string, ...contents: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    let expected = yield* journal.last(stream)
    for (const content of contents) {
      expected = yield* journal.append({
        stream,
        expected,
        epoch: epoch(1),
        id: `${stream}-${content}`,
        data: bytes(content)
      })
    }
    return expected
  })

const first = (count: number, stream: string, after: Sequence = sequenceZero) =>
  Effect.flatMap(Journal, (journal) =>
    journal.tail(stream, after).pipe(Stream.take(count), Stream.runCollect, Effect.timeout("10 seconds"))
  )

export const journalConformance = (layer: Layer.Layer<Journal, unknown>) => {
  const check = (name: string, effect: Effect.Effect<void, unknown, Journal | Scope.Scope>) =>
    it.scopedLive(name, () => Effect.provide(effect, [layer, Logger.remove(Logger.defaultLogger)]))

  check(
    "gives back what was appended, in order, with rising sequences",
    Effect.gen(function* () {
      yield* write("a", "1", "2", "3")
      const records = Chunk.toReadonlyArray(yield* first(3, "a"))
      expect(texts(records)).toEqual(["1", "2", "3"])
      expect(records.every((record) => record.stream === "a" && record.epoch === 1)).toBe(true)
      const sequences = records.map((record) => record.sequence)
      expect([...sequences].sort((x, y) => x - y)).toEqual(sequences)
      expect(new Set(sequences).size).toBe(3)
      expect(yield* (yield* Journal).last("a")).toBe(sequences[2])
    })
  )

  check(
    "keeps streams apart",
    Effect.gen(function* () {
      yield* write("a", "a1")
      yield* write("b", "b1", "b2")
      yield* write("a", "a2")
      expect(texts(yield* first(2, "a"))).toEqual(["a1", "a2"])
      expect(texts(yield* first(2, "b"))).toEqual(["b1", "b2"])
    })
  )

  check(
    "accepts one of two competitors for the same place and tells the other where the stream is",
    Effect.gen(function* () {
      const journal = yield* Journal
      const at = yield* write("race", "begin")
      const claims = yield* Effect.forEach(
        ["x", "y"],
        (id) =>
          Effect.either(
            journal.append({ stream: "race", expected: at, epoch: epoch(1), id, data: bytes(id) })
          ),
        { concurrency: "unbounded" }
      )
      const refused = claims.filter((claim) => claim._tag === "Left").map((claim) => claim.left)
      expect(refused.map((error) => error._tag)).toEqual(["WrongExpectedSequence"])
      expect((yield* first(2, "race")).length).toBe(2)
      const last = yield* journal.last("race")
      expect(refused[0]).toMatchObject({ expected: at, actual: last })
    })
  )

  check(
    "has an event once when its append is repeated under the same id",
    Effect.gen(function* () {
      const journal = yield* Journal
      const at = yield* write("again", "begin")
      const append = journal.append({
        stream: "again",
        expected: at,
        epoch: epoch(1),
        id: "one",
        data: bytes("one")
      })
      const sequence = yield* append
      expect(yield* append).toBe(sequence)
      yield* write("again", "end")
      expect(texts(yield* first(3, "again"))).toEqual(["begin", "one", "end"])
    })
  )

  check(
    "refuses a predecessor once a higher epoch has taken over, even if nothing was written since",
    Effect.gen(function* () {
      const journal = yield* Journal
      const old = yield* journal.append({
        stream: "f",
        expected: sequenceZero,
        epoch: epoch(3),
        id: "old",
        data: bytes("old")
      })
      const at = yield* journal.fence("f", epoch(7))
      const stale = yield* Effect.flip(
        journal.append({ stream: "f", expected: old, epoch: epoch(3), id: "late", data: bytes("late") })
      )
      expect(stale).toMatchObject({ _tag: "StaleEpoch", epoch: 3, current: 7 })
      const lower = yield* Effect.flip(journal.fence("f", epoch(6)))
      expect(lower._tag).toBe("StaleEpoch")
      yield* journal.append({ stream: "f", expected: at, epoch: epoch(7), id: "new", data: bytes("new") })
      expect(texts(yield* first(2, "f"))).toEqual(["old", "new"])
    })
  )

  check(
    "fences an empty stream",
    Effect.gen(function* () {
      const journal = yield* Journal
      const at = yield* journal.fence("empty", epoch(5))
      const stale = yield* Effect.flip(
        journal.append({
          stream: "empty",
          expected: sequenceZero,
          epoch: epoch(4),
          id: "x",
          data: bytes("x")
        })
      )
      expect(stale._tag).toBe("StaleEpoch")
      yield* journal.append({ stream: "empty", expected: at, epoch: epoch(5), id: "y", data: bytes("y") })
      expect(texts(yield* first(1, "empty"))).toEqual(["y"])
    })
  )

  check(
    "follows: what is there, then what comes, from any sequence",
    Effect.gen(function* () {
      const at = yield* write("live", "1", "2")
      const follower = yield* Effect.fork(first(4, "live"))
      const later = yield* Effect.fork(first(2, "live", at))
      yield* write("live", "3")
      yield* write("live", "4")
      expect(texts(yield* Fiber.join(follower))).toEqual(["1", "2", "3", "4"])
      expect(texts(yield* Fiber.join(later))).toEqual(["3", "4"])
    })
  )

  check(
    "follows a long stream without gaps, while it is written",
    Effect.gen(function* () {
      const contents = Array.from({ length: 1_200 }, (_, i) => String(i))
      const follower = yield* Effect.fork(first(1_200, "long"))
      yield* write("long", ...contents)
      expect(texts(yield* Fiber.join(follower))).toEqual(contents)
      expect(texts(yield* first(1_200, "long"))).toEqual(contents)
    })
  )

  check(
    "replays what lies between two places and ends, past fences too",
    Effect.gen(function* () {
      const journal = yield* Journal
      const from = yield* write("span", "1")
      yield* write("span", "2", "3")
      const through = yield* journal.fence("span", epoch(9))
      const replayed = yield* Stream.runCollect(journal.replay("span", from, through))
      expect(texts(replayed)).toEqual(["2", "3"])
      expect((yield* Stream.runCollect(journal.replay("span", through, through))).length).toBe(0)
    })
  )

  check(
    "reads one record by its sequence",
    Effect.gen(function* () {
      const journal = yield* Journal
      const sequence = yield* write("one", "a", "b")
      yield* write("other", "c")
      const record = yield* journal.readOne("one", sequence)
      expect(texts(record === undefined ? [] : [record])).toEqual(["b"])
      expect(yield* journal.readOne("other", sequence)).toBeUndefined()
      expect(yield* journal.readOne("one", Sequence.make(1_000_000))).toBeUndefined()
    })
  )

  check(
    "keeps what retention says and goes on from there",
    Effect.gen(function* () {
      const journal = yield* Journal
      yield* write("trim", ...Array.from({ length: 20 }, (_, i) => `${i}`))
      yield* journal.trim("trim", 5)
      yield* write("trim", "20")
      expect(texts(yield* first(6, "trim"))).toEqual(["15", "16", "17", "18", "19", "20"])
    })
  )

  check(
    "refuses what is too large",
    Effect.gen(function* () {
      const journal = yield* Journal
      const error = yield* Effect.flip(
        journal.append({
          stream: "big",
          expected: sequenceZero,
          epoch: epoch(1),
          id: "big",
          data: new Uint8Array(1024 * 1024 + 1)
        })
      )
      expect(error._tag).toBe("PayloadTooLarge")
    })
  )
}
