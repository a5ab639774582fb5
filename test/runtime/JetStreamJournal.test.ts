import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { Epoch, RunId, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import * as JetStreamJournal from "../../src/runtime/JetStreamJournal.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import { NatsConnection } from "../../src/runtime/NatsConnection.ts"
import { connectionTo } from "../support/nats.ts"
import { natsServer } from "../support/natsServer.ts"

const stream = "bars"
const bytesMax = 4 * 1024 * 1024

/** The journal of another node on the same server. */
const nodeOn = (url: string) =>
  Layer.build(
    JetStreamJournal.layer({ run: RunId.make("test"), bytesMax }).pipe(Layer.provide(connectionTo(url)))
  )

/** Appends texts after what is there. */
const append = (journal: typeof Journal.Service, texts: ReadonlyArray<string>, epoch = 1) =>
  Effect.gen(function* () {
    let expected = yield* journal.last(stream)
    for (const text of texts) {
      const data = Buffer.from(text)
      expected = yield* journal.append({
        stream,
        expected,
        epoch: Epoch.make(epoch),
        id: text.slice(0, 40),
        data
      })
    }
    return expected
  })

const first = (journal: typeof Journal.Service, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(journal.tail(stream, sequenceZero), count)), (records) =>
    Chunk.toReadonlyArray(records).map(({ data }) => Buffer.from(data).toString("utf8").slice(0, 12))
  )

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}`)

describe("the journal in JetStream", () => {
  it.scopedLive(
    "lets the oldest records go before the stream is full, and goes on taking new ones",
    () =>
      Effect.gen(function* () {
        const server = yield* natsServer
        const journal = yield* Effect.provide(Journal, yield* nodeOn(server.url))
        // Three times what the run may take.
        for (let i = 0; i < 120; i++) {
          yield* append(journal, [`${i}`.padEnd(100_000, "x")])
          if (i % 5 === 4) yield* journal.trim(stream, 1_000)
        }
        const [oldest] = yield* first(journal, 1)
        expect(Number.parseInt(oldest as string, 10)).toBeGreaterThan(60)
      }),
    30_000
  )

  it.scopedLive("takes what its writer appends, whoever learns late where the stream has been", () =>
    Effect.gen(function* () {
      const server = yield* natsServer
      const connected = yield* Layer.build(connectionTo(server.url))
      const nats = Context.get(connected, NatsConnection)
      const { streams } = nats.manager
      const isFenced = yield* Deferred.make<void>()
      const release = Effect.runPromise(Deferred.await(isFenced))
      let isFirst = true
      // The first answer comes when the writer has fenced the stream.
      const late = Object.assign(Object.create(streams) as typeof streams, {
        getMessage: (...query: Parameters<typeof streams.getMessage>) => {
          const answer = streams.getMessage(...query)
          if (!isFirst) return answer
          isFirst = false
          return answer.finally(() => release)
        }
      })
      const manager = Object.assign(Object.create(nats.manager) as typeof nats.manager, { streams: late })
      const journal = yield* Effect.provide(
        Journal,
        yield* Layer.build(
          JetStreamJournal.layer({ run: RunId.make("test"), bytesMax }).pipe(
            Layer.provide(Layer.succeed(NatsConnection, { ...nats, manager }))
          )
        )
      )
      const asking = yield* Effect.fork(journal.last(stream))
      yield* Effect.repeat(Effect.yieldNow(), { until: () => !isFirst })
      const expected = yield* journal.fence(stream, Epoch.make(1))
      yield* Deferred.succeed(isFenced, undefined)
      expect(yield* Fiber.join(asking)).toBe(sequenceZero)
      const data = Buffer.from("first")
      const sequence = yield* journal.append({ stream, expected, epoch: Epoch.make(1), id: "first", data })
      expect(yield* journal.last(stream)).toBe(sequence)
    })
  )

  it.scopedLive("gives two nodes the same records, one of them from far behind", () =>
    Effect.gen(function* () {
      const server = yield* natsServer
      const writer = yield* Effect.provide(Journal, yield* nodeOn(server.url))
      yield* append(writer, numbers(0, 20))
      const reader = yield* Effect.provide(Journal, yield* nodeOn(server.url))
      const early = yield* Effect.fork(first(writer, 400))
      const far = yield* Effect.fork(first(reader, 400))
      yield* append(writer, numbers(20, 400))
      const late = yield* first(reader, 400)
      expect(yield* Fiber.join(early)).toEqual(numbers(0, 400))
      expect(yield* Fiber.join(far)).toEqual(numbers(0, 400))
      expect(late).toEqual(numbers(0, 400))
    })
  )

  it.scopedLive("hands on what another node writes after a takeover, in order and once", () =>
    Effect.gen(function* () {
      const server = yield* natsServer
      const one = yield* Effect.provide(Journal, yield* nodeOn(server.url))
      const other = yield* Effect.provide(Journal, yield* nodeOn(server.url))
      yield* one.fence(stream, Epoch.make(1))
      const followed = yield* Effect.fork(first(one, 30))
      yield* append(one, numbers(0, 10))
      yield* other.fence(stream, Epoch.make(2))
      yield* append(other, numbers(10, 20), 2)
      yield* one.fence(stream, Epoch.make(3))
      yield* append(one, numbers(20, 30), 3)
      expect(yield* Fiber.join(followed)).toEqual(numbers(0, 30))
    })
  )

  it.scopedLive(
    "goes on following after the server was killed and started again",
    () =>
      Effect.gen(function* () {
        const server = yield* natsServer
        const journal = yield* Effect.provide(Journal, yield* nodeOn(server.url))
        const reader = yield* Effect.provide(Journal, yield* nodeOn(server.url))
        const followed = yield* Effect.fork(first(reader, 20))
        yield* append(journal, numbers(0, 10))
        yield* server.kill
        yield* server.restart
        yield* append(journal, numbers(10, 20)).pipe(Effect.retry({ times: 20 }))
        expect(yield* Fiber.join(followed)).toEqual(numbers(0, 20))
      }),
    20_000
  )
})
