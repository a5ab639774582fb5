import { describe, expect, it } from "@effect/vitest"
import { type Clock, Effect, ExecutionStrategy, Exit, Fiber, Layer, Scope, Stream, TestClock } from "effect"
import { NodeId, RunId, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import * as JetStreamJournal from "../../src/runtime/JetStreamJournal.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import { type Lease, Leases } from "../../src/runtime/Leases.ts"
import { NatsConnection } from "../../src/runtime/NatsConnection.ts"
import * as NatsLeases from "../../src/runtime/NatsLeases.ts"
import type { Store } from "../../src/runtime/Store.ts"
import { rememberEpoch } from "../../src/runtime/StoreLeases.ts"
import { bundled } from "../support/bundle.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { connectionTo } from "../support/nats.ts"
import { natsServer } from "../support/natsServer.ts"
import { runProgram } from "../support/program.ts"
import { temporaryStore } from "../support/store.ts"

const run = RunId.make("test")
const ttlMs = 800
const stepMs = 20

interface Entry {
  readonly revision: number
  readonly operation: "PUT" | "DEL"
  readonly value: string
}

/** A key-value bucket as the server keeps it; each node reaches it by a line of its own. */
const makeBucket = () => {
  const entries = new Map<string, Entry>()
  let last = 0
  const put = (key: string, operation: Entry["operation"], value: string) => {
    entries.set(key, { revision: ++last, operation, value })
    return last
  }
  const expectRevision = (key: string, revision: number) => {
    if (entries.get(key)?.revision !== revision) throw new Error("wrong last sequence")
  }
  return {
    entries,
    line: () => {
      const state = { isCut: false, losesAnswers: false }
      const send = <A>(change: () => A): Promise<A> => {
        if (state.isCut) return new Promise(() => undefined)
        return Promise.resolve().then(() => {
          const answer = change()
          if (state.losesAnswers) throw new Error("timeout")
          return answer
        })
      }
      const kv = {
        get: (key: string) => {
          const found = entries.get(key)
          const read = () => (found === undefined ? null : { ...found, string: () => found.value })
          return state.losesAnswers ? Promise.resolve().then(read) : send(read)
        },
        create: (key: string, value: string) =>
          send(() => {
            if (entries.get(key)?.operation === "PUT") throw new Error("wrong last sequence")
            return put(key, "PUT", value)
          }),
        update: (key: string, value: string, revision: number) =>
          send(() => {
            expectRevision(key, revision)
            return put(key, "PUT", value)
          }),
        delete: (key: string, { previousSeq }: { readonly previousSeq: number }) =>
          send(() => {
            expectRevision(key, previousSeq)
            put(key, "DEL", "")
          })
      }
      // What is cut off cannot give back, and would wait for the clock of a test that is over.
      return { kv, state, mend: Effect.sync(() => Object.assign(state, { isCut: false })) }
    }
  }
}

type Bucket = ReturnType<typeof makeBucket>

const makeNode = (bucket: Bucket, node: string, before: Effect.Effect<void, unknown, Store> = Effect.void) =>
  Effect.gen(function* () {
    const { kv, mend, state } = bucket.line()
    const connection = Layer.succeed(NatsConnection, {
      jetstream: { views: { kv: () => Promise.resolve(kv) } }
    } as never)
    const store = yield* Layer.build(temporaryStore())
    yield* Effect.provide(before, store)
    const leases = yield* Effect.provide(
      Layer.build(NatsLeases.layer({ run, node: NodeId.make(node), home: `home of ${node}`, ttlMs })),
      Layer.merge(connection, Layer.succeedContext(store))
    )
    const acquire = Effect.provide(
      Effect.flatMap(Leases, ({ acquire }) => acquire("owner")),
      leases
    )
    return {
      state,
      acquire: Effect.zipLeft(
        acquire,
        Effect.addFinalizer(() => mend)
      )
    }
  })

const now = Effect.map(Effect.clock, (clock) => () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n))

/** Passes time in small steps until the condition holds. */
const passUntil = (forMs: number, condition: () => boolean = () => false) =>
  Effect.gen(function* () {
    for (let passed = 0; passed < forMs && !condition(); passed += stepMs) yield* TestClock.adjust(stepMs)
  })

/** Begins to acquire; what comes of it, and when the lease was lost. */
const contend = (acquire: Effect.Effect<Lease, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const at = yield* now
    const seen: { lease?: Lease; gotAt?: number; lostAt?: number } = {}
    const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
    const fiber = yield* Effect.gen(function* () {
      seen.lease = yield* Scope.extend(acquire, scope)
      seen.gotAt = at()
      yield* Effect.catchAll(seen.lease.lost, () =>
        Effect.sync(() => {
          seen.lostAt = at()
        })
      )
    }).pipe(Effect.fork)
    return { seen, close: Effect.zipRight(Fiber.interrupt(fiber), Scope.close(scope, Exit.void)) }
  })

describe("leases in NATS, by the clock", () => {
  it.scoped("stay with a holder that renews them", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const first = yield* contend((yield* makeNode(bucket, "one")).acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      const second = yield* contend((yield* makeNode(bucket, "two")).acquire)
      yield* passUntil(10 * ttlMs)
      expect(first.seen.lostAt).toBeUndefined()
      expect(second.seen.lease).toBeUndefined()
    })
  )

  it.scoped(
    "pass to a contender once it has seen no renewal for the TTL, when the holder has stepped down",
    () =>
      Effect.gen(function* () {
        const bucket = makeBucket()
        const one = yield* makeNode(bucket, "one")
        const first = yield* contend(one.acquire)
        yield* passUntil(200, () => first.seen.lease !== undefined)
        const second = yield* contend((yield* makeNode(bucket, "two")).acquire)
        yield* passUntil(2 * ttlMs)
        one.state.isCut = true
        const cutAt = (yield* now)()
        yield* passUntil(4 * ttlMs, () => second.seen.gotAt !== undefined)
        const { gotAt = Number.NaN, lease } = second.seen
        // Its last renewal lies up to a third of the TTL before the cut; the contender looks every eighth.
        expect(gotAt - cutAt).toBeGreaterThanOrEqual(ttlMs * (1 - 1 / 3) - stepMs)
        expect(gotAt - cutAt).toBeLessThanOrEqual(ttlMs * (1 + 2 / 8) + stepMs)
        expect(first.seen.lostAt).toBeLessThan(gotAt)
        expect(lease?.epoch).toBeGreaterThan(first.seen.lease?.epoch as number)
      })
  )

  it.scoped("pass at once to the next life of the same folder, whose lock it holds", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const one = yield* makeNode(bucket, "one")
      const first = yield* contend(one.acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      one.state.isCut = true
      const second = yield* contend((yield* makeNode(bucket, "one")).acquire)
      yield* passUntil(stepMs * 2, () => second.seen.lease !== undefined)
      expect(second.seen.lease?.epoch).toBeGreaterThan(first.seen.lease?.epoch as number)
      yield* passUntil(2 * ttlMs)
      expect(first.seen.lostAt).toBeDefined()
    })
  )

  it.scoped("are not taken before the contender itself has watched for the TTL", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const one = yield* makeNode(bucket, "one")
      const first = yield* contend(one.acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      one.state.isCut = true
      yield* passUntil(10 * ttlMs)
      const from = (yield* now)()
      const second = yield* contend((yield* makeNode(bucket, "two")).acquire)
      yield* passUntil(4 * ttlMs, () => second.seen.gotAt !== undefined)
      expect((second.seen.gotAt as number) - from).toBeGreaterThanOrEqual(ttlMs)
    })
  )

  it.scoped("are neither gained nor lost by steps of the wall clock", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const clock = yield* Effect.clock
      const hours = 3_600_000
      let reads = 0
      // The nanosecond counter is the monotonic one.
      const jumping: Clock.Clock = Object.create(clock, {
        unsafeCurrentTimeNanos: { value: () => clock.unsafeCurrentTimeNanos() },
        unsafeCurrentTimeMillis: {
          value: () => clock.unsafeCurrentTimeMillis() + (++reads % 3 === 0 ? -hours : reads * hours)
        }
      })
      const node = (name: string) =>
        Effect.map(makeNode(bucket, name), ({ acquire }) => Effect.withClock(acquire, jumping))
      const first = yield* contend(yield* node("one"))
      yield* passUntil(200, () => first.seen.lease !== undefined)
      const second = yield* contend(yield* node("two"))
      yield* passUntil(5 * ttlMs)
      expect(first.seen.lease).toBeDefined()
      expect(first.seen.lostAt).toBeUndefined()
      expect(second.seen.lease).toBeUndefined()
    })
  )

  it.scoped("stay with a holder whose renewals arrive without being answered", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const one = yield* makeNode(bucket, "one")
      const first = yield* contend(one.acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      const revision = bucket.entries.get("owner")?.revision as number
      one.state.losesAnswers = true
      yield* passUntil(3 * ttlMs)
      expect(first.seen.lostAt).toBeUndefined()
      expect(bucket.entries.get("owner")?.revision).toBeGreaterThan(revision)
    })
  )

  it.scoped("are lost within a renewal once another has taken them, and the other's is left alone", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const first = yield* contend((yield* makeNode(bucket, "one")).acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      const taken: Entry = { revision: 1_000, operation: "PUT", value: '{"holder":"two","epoch":1000}' }
      bucket.entries.set("owner", taken)
      const from = (yield* now)()
      yield* passUntil(2 * ttlMs, () => first.seen.lostAt !== undefined)
      expect((first.seen.lostAt as number) - from).toBeLessThanOrEqual(ttlMs / 3 + stepMs)
      yield* first.close
      expect(bucket.entries.get("owner")).toEqual(taken)
    })
  )

  it.scoped("are given back at once, and taken without waiting for the TTL", () =>
    Effect.gen(function* () {
      const bucket = makeBucket()
      const first = yield* contend((yield* makeNode(bucket, "one")).acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      yield* passUntil(2 * ttlMs)
      yield* first.close
      expect(bucket.entries.get("owner")?.operation).toBe("DEL")
      const second = yield* contend((yield* makeNode(bucket, "two")).acquire)
      yield* passUntil(ttlMs / 4, () => second.seen.lease !== undefined)
      expect(second.seen.lease?.epoch).toBeGreaterThan(first.seen.lease?.epoch as number)
    })
  )

  it.scoped("have an epoch above all that the node has held, though the bucket has begun anew", () =>
    Effect.gen(function* () {
      const node = yield* makeNode(makeBucket(), "one", rememberEpoch("owner", 50))
      const first = yield* contend(node.acquire)
      yield* passUntil(200, () => first.seen.lease !== undefined)
      expect(first.seen.lease?.epoch).toBe(51)
    })
  )
})

describe("leases in NATS, between processes", () => {
  it.scopedLive(
    "pass from a holder that is stopped for three lease times, and nothing it writes then is accepted",
    () =>
      Effect.gen(function* () {
        const { url } = yield* natsServer
        const program = yield* bundled("test/support/holder.ts")
        const lease = (node: string) =>
          Effect.flatMap(temporaryDirectory, (directory) =>
            runProgram(program, ["lease", directory, node, url, String(ttlMs)])
          )
        const holds = (line: string) => line.startsWith("held ")
        const first = yield* lease("one")
        const epoch = Number((yield* first.says(holds)).split(" ")[1])
        yield* first.says((line) => line.startsWith("wrote "))
        const second = yield* lease("two")
        yield* first.signal("SIGSTOP")
        const next = Number((yield* second.says(holds)).split(" ")[1])
        expect(next).toBeGreaterThan(epoch)
        yield* second.says((line) => line.startsWith("wrote "))
        yield* first.signal("SIGCONT")
        expect(yield* first.says((line) => line.startsWith("lost "))).toBe(`lost ${epoch}`)
        expect(yield* first.says((line) => line.startsWith("late "))).toBe("late StaleEpoch")
        yield* second.kill

        const epochs = yield* Effect.gen(function* () {
          const journal = yield* Journal
          const through = yield* journal.last("a")
          const records = yield* Stream.runCollect(journal.replay("a", sequenceZero, through))
          return [...records].map((record) => record.epoch as number)
        }).pipe(
          Effect.provide(
            JetStreamJournal.layer({ run, bytesMax: 64 * 1024 * 1024 }).pipe(Layer.provide(connectionTo(url)))
          )
        )
        expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
        expect(new Set(epochs)).toEqual(new Set([epoch, next]))
      })
  )
})
