/**
 * Leases of a system in one process: the lock on the data directory sees to it that there is no other, and the
 * store keeps the epochs rising from one life to the next.
 */
import { Effect, Layer } from "effect"
import { Epoch } from "../protocols/wire/Ids.ts"
import { LeaseUnavailable } from "./errors.ts"
import { Leases } from "./Leases.ts"
import { Store } from "./Store.ts"

/** The highest epoch that this node has held a lease under. */
export const highestEpoch = (name: string) =>
  Effect.gen(function* () {
    const { read, sql } = yield* Store
    const [row] = yield* read(
      "read a lease",
      sql<{ epoch: number }>`SELECT epoch FROM leases WHERE name = ${name}`
    )
    return row?.epoch ?? 0
  })

export const rememberEpoch = (name: string, epoch: number) =>
  Effect.gen(function* () {
    const { sql, write } = yield* Store
    yield* write("remember an epoch", [
      sql`INSERT INTO leases ${sql.insert({ name, epoch })} ON CONFLICT (name) DO UPDATE SET epoch = max(epoch, ${epoch})`
    ])
  })

export const layer: Layer.Layer<Leases, never, Store> = Layer.effect(
  Leases,
  Effect.map(Store, (store) => {
    const semaphores = new Map<string, Effect.Semaphore>()
    const turn = (name: string) => {
      const semaphore = semaphores.get(name) ?? Effect.unsafeMakeSemaphore(1)
      semaphores.set(name, semaphore)
      return semaphore
    }
    return {
      acquire: (name) =>
        Effect.gen(function* () {
          // Within the process too, one holder at a time: a restarting agent waits for its former life to end.
          const semaphore = turn(name)
          yield* Effect.acquireRelease(Effect.interruptible(semaphore.take(1)), () => semaphore.release(1))
          const epoch = (yield* highestEpoch(name)) + 1
          yield* rememberEpoch(name, epoch)
          return { name, epoch: Epoch.make(epoch), lost: Effect.never }
        }).pipe(
          Effect.provideService(Store, store),
          Effect.catchTag(
            "StoreFailed",
            (error) => new LeaseUnavailable({ lease: name, reason: error.reason })
          )
        )
    }
  })
)
