import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { NodeId, RunId } from "../../src/protocols/wire/Ids.ts"
import * as JetStreamJournal from "../../src/runtime/JetStreamJournal.ts"
import { Leases } from "../../src/runtime/Leases.ts"
import * as NatsLeases from "../../src/runtime/NatsLeases.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import { Store } from "../../src/runtime/Store.ts"
import * as StoreLeases from "../../src/runtime/StoreLeases.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { connectionTo } from "../support/nats.ts"
import { natsServer } from "../support/natsServer.ts"
import { storeIn } from "../support/store.ts"
import { type Contender, leasesConformance } from "./leasesConformance.ts"

const run = RunId.make("test")

/** In one process those who contend share everything. */
const inOneProcess = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const layer = Layer.merge(StoreLeases.layer, SqliteJournal.layer).pipe(Layer.provide(storeIn(directory)))
  const shared: Contender = Layer.succeedContext(yield* Layer.build(layer))
  return [shared, shared] as const
})

/** Over NATS each has a connection and a store of its own. */
const overNats = Effect.gen(function* () {
  const { url } = yield* natsServer
  const directory = yield* temporaryDirectory
  const contender = (node: string) =>
    Effect.map(
      Layer.build(
        Layer.merge(
          NatsLeases.layer({ run, node: NodeId.make(node), home: `home of ${node}`, ttlMs: 1_000 }),
          JetStreamJournal.layer({ run, bytesMax: 64 * 1024 * 1024 })
        ).pipe(Layer.provide(Layer.merge(connectionTo(url), storeIn(join(directory, node)))))
      ),
      (context): Contender => Layer.succeedContext(context)
    )
  return [yield* contender("one"), yield* contender("two")] as const
})

describe("leases in the store", () => {
  leasesConformance(inOneProcess)

  const epochIn = (directory: string) =>
    Effect.flatMap(Leases, ({ acquire }) => Effect.map(acquire("owner"), ({ epoch }) => epoch)).pipe(
      Effect.scoped,
      Effect.provide(StoreLeases.layer.pipe(Layer.provide(storeIn(directory))))
    )

  it.scopedLive("keep epochs rising from one life to the next", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const epochs = yield* Effect.all([epochIn(directory), epochIn(directory), epochIn(directory)])
      expect(epochs).toEqual([1, 2, 3])
    })
  )

  it.scopedLive("never lower an epoch that is remembered", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const epochs = yield* Effect.provide(
        Effect.gen(function* () {
          yield* StoreLeases.rememberEpoch("owner", 9)
          yield* StoreLeases.rememberEpoch("owner", 4)
          return yield* StoreLeases.highestEpoch("owner")
        }),
        storeIn(directory)
      )
      expect(epochs).toBe(9)
      expect(yield* epochIn(directory)).toBe(10)
    })
  )

  it.scopedLive("say that they cannot be asked for when the store fails, and can be asked again", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const store = Context.get(yield* Layer.build(storeIn(directory)), Store)
      const leases = Context.get(
        yield* Layer.build(StoreLeases.layer.pipe(Layer.provide(Layer.succeed(Store, store)))),
        Leases
      )
      yield* store.sql`CREATE TRIGGER broken BEFORE INSERT ON leases BEGIN SELECT RAISE(ABORT, 'broken'); END`
      const error = yield* Effect.flip(Effect.scoped(leases.acquire("owner")))
      expect(error).toMatchObject({ _tag: "LeaseUnavailable", lease: "owner", reason: "broken" })
      yield* store.sql`DROP TRIGGER broken`
      const again = yield* Effect.timeout(Effect.scoped(leases.acquire("owner")), "5 seconds")
      expect(again.epoch).toBe(1)
    })
  )
})

describe("leases in NATS", () => {
  leasesConformance(overNats)
})
