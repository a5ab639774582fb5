import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { recordsOf } from "../../../src/agents/backtest/records.ts"
import { barsStream } from "../../../src/protocols/Bar.ts"
import type { Decision } from "../../../src/protocols/Decision.ts"
import { Epoch, Sequence } from "../../../src/protocols/wire/Ids.ts"
import { stringifyToBytes } from "../../../src/protocols/wire/Json.ts"
import { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import type { Journal, JournalRecord } from "../../../src/runtime/Journal.ts"
import { barOf, closed, instrumentOf, opened } from "../feedEvents.ts"

const alpha = instrumentOf("ALPHA")
const events = [
  opened([alpha]),
  ...[0, 1, 2].map((index) => closed(index, [barOf(alpha, index, { open: 100, close: 100 })], index === 0))
]

/** A journal of bars and no decisions, of which retention has left the records from one on. */
const journalFrom = (first: number): typeof Journal.Service => {
  const records = events.map((event, i): JournalRecord => {
    const [sequence, previous] = [Sequence.make(i + 1), Sequence.make(i)]
    return { stream: barsStream, sequence, previous, epoch: Epoch.make(1), data: stringifyToBytes(event) }
  })
  const left = (stream: string) => (stream === barsStream ? records.slice(first) : [])
  const unused = () => Effect.die("nothing but reading is asked of it")
  return {
    kind: "sqlite",
    append: unused,
    fence: unused,
    readOne: unused,
    tail: () => Stream.die("it has ended"),
    trim: unused,
    last: (stream) => Effect.succeed(left(stream).at(-1)?.sequence ?? Sequence.make(0)),
    replay: (stream) => Stream.fromIterable(left(stream))
  }
}

const readFrom = (first: number) =>
  Effect.provideService(
    recordsOf(journalFrom(first), (decision: Decision) => decision.id),
    DeadLetters,
    { write: () => Effect.die("every record is sound") } as unknown as typeof DeadLetters.Service
  )

describe("the records of a run", () => {
  it.effect("are its as-ofs in order", () =>
    Effect.gen(function* () {
      const records = yield* readFrom(0)
      expect(records.map(({ index, warmUp }) => [index, warmUp])).toEqual([
        [0, true],
        [1, false],
        [2, false]
      ])
      expect(records[1]?.bars).toEqual([barOf(alpha, 1, { open: 100, close: 100 })])
    })
  )

  it.effect("are refused where retention has dropped the oldest: what is left proves nothing", () =>
    Effect.gen(function* () {
      for (const first of [1, 2]) {
        const refused = yield* Effect.flip(readFrom(first))
        expect(refused).toMatchObject({ _tag: "RecordsDropped", stream: barsStream })
        expect((refused as Error).message).toContain("--store.stream-events-max")
      }
    })
  )
})
