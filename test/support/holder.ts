/**
 * A process that holds something, to be killed or stopped while it does:
 * `lock <directory>`, `journal <directory>`, `lease <directory> <node> <NATS URL> <TTL in ms>`.
 */
import { join } from "node:path"
import { Effect, Fiber, Layer, Logger, Redacted } from "effect"
import { Epoch, NodeId, RunId, sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { lockDirectory } from "../../src/runtime/DirectoryLock.ts"
import * as JetStreamJournal from "../../src/runtime/JetStreamJournal.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import { Leases } from "../../src/runtime/Leases.ts"
import * as NatsConnection from "../../src/runtime/NatsConnection.ts"
import * as NatsLeases from "../../src/runtime/NatsLeases.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import * as Store from "../../src/runtime/Store.ts"

const [mode, directory = "", node = "", url = "", ttl = "0"] = process.argv.slice(2)
const say = (...words: ReadonlyArray<string | number>) =>
  Effect.async<void>((resume) => void process.stdout.write(`${words.join(" ")}\n`, () => resume(Effect.void)))

const store = Store.layer({ path: join(directory, "store.db"), durability: "process" })

const lock = Effect.scoped(
  Effect.zipRight(
    lockDirectory(directory, `process ${process.pid}`),
    Effect.zipRight(say("held"), Effect.never)
  )
)

/** Says a sequence once it is acknowledged. */
const journal = Effect.gen(function* () {
  const { append } = yield* Journal
  let at = sequenceZero
  for (let i = 1; ; i++) {
    at = yield* append({
      stream: "a",
      expected: at,
      epoch: Epoch.make(1),
      id: `${i}`,
      data: Buffer.from(`${i}`)
    })
    yield* say("acknowledged", at)
  }
}).pipe(Effect.provide(SqliteJournal.layer.pipe(Layer.provide(store))))

/** Writes under its lease, and tries once more after it has been lost. */
const lease = Effect.gen(function* () {
  const run = RunId.make("test")
  const nats = NatsConnection.layer({ url: Redacted.make(url), name: node, connectTimeoutMs: 5_000 })
  const layers = Layer.mergeAll(
    NatsLeases.layer({ run, node: NodeId.make(node), home: `home of ${node}`, ttlMs: Number(ttl) }),
    JetStreamJournal.layer({ run, bytesMax: 64 * 1024 * 1024 })
  ).pipe(Layer.provide(Layer.merge(nats, store)))
  return yield* Effect.gen(function* () {
    const { append, fence } = yield* Journal
    const { epoch, lost } = yield* (yield* Leases).acquire("owner")
    let at = yield* fence("a", epoch)
    const write = (i: number) =>
      Effect.suspend(() =>
        append({ stream: "a", expected: at, epoch, id: `${node}-${i}`, data: Buffer.from(node) })
      )
    yield* say("held", epoch)
    const writing = yield* Effect.fork(
      Effect.gen(function* () {
        for (let i = 0; ; i++) {
          at = yield* write(i)
          yield* say("wrote", at)
          yield* Effect.sleep("5 millis")
        }
      }).pipe(Effect.catchAll((error) => say("refused", error._tag)))
    )
    yield* Effect.catchAll(lost, (error) => say("lost", error.epoch))
    yield* Fiber.interrupt(writing)
    const late = yield* Effect.either(write(-1))
    yield* say("late", late._tag === "Left" ? late.left._tag : "accepted")
    return yield* Effect.never
  }).pipe(Effect.scoped, Effect.provide(layers))
})

const modes = { lock, journal, lease }

Effect.runPromise(
  Effect.provide(
    modes[mode as keyof typeof modes] as Effect.Effect<never, unknown>,
    Logger.remove(Logger.defaultLogger)
  )
).catch((cause) => {
  process.stderr.write(`${String(cause)}\n`)
  process.exit(1)
})
