/** What leases have to be, wherever they are kept. Each suite runs the same sentences against its own layer. */
import { expect, it } from "@effect/vitest"
import { Deferred, Effect, ExecutionStrategy, Exit, Fiber, type Layer, Scope } from "effect"
import { sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import { type Lease, Leases } from "../../src/runtime/Leases.ts"
import { quiet } from "../support/store.ts"

/** A contender: leases and a journal that it shares with all others of the test. */
export type Contender = Layer.Layer<Leases | Journal, unknown>

/** @param contenders makes, in a fresh system, the layers of two that contend */
export const leasesConformance = (
  contenders: Effect.Effect<readonly [Contender, Contender], unknown, Scope.Scope>
) => {
  const check = (
    name: string,
    effect: (first: Contender, second: Contender) => Effect.Effect<void, unknown, Scope.Scope>
  ) =>
    it.scopedLive(name, () =>
      Effect.provide(
        Effect.flatMap(contenders, ([first, second]) => effect(first, second)),
        quiet
      )
    )

  /** Holds a lease until the scope that comes with it is closed. */
  const hold = (contender: Contender, name: string) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const acquire = Effect.flatMap(Leases, (leases) => leases.acquire(name))
      const lease: Lease = yield* Scope.extend(Effect.provide(acquire, contender), scope)
      return { lease, release: Scope.close(scope, Exit.void) }
    })

  check("give a free lease at once, and hold it", (first) =>
    Effect.gen(function* () {
      const { lease } = yield* hold(first, "owner")
      expect(lease.name).toBe("owner")
      expect(lease.epoch).toBeGreaterThan(0)
      expect(yield* Effect.timeoutOption(lease.lost, "50 millis")).toMatchObject({ _tag: "None" })
    })
  )

  check("make a contender wait until the holder gives the lease back", (first, second) =>
    Effect.gen(function* () {
      const held = yield* hold(first, "owner")
      const got = yield* Deferred.make<Lease>()
      const waiting = yield* hold(second, "owner").pipe(
        Effect.tap(({ lease }) => Deferred.succeed(got, lease)),
        Effect.zipRight(Effect.never),
        Effect.scoped,
        Effect.fork
      )
      expect(yield* Effect.timeoutOption(Deferred.await(got), "150 millis")).toMatchObject({ _tag: "None" })
      yield* held.release
      const next = yield* Effect.timeout(Deferred.await(got), "5 seconds")
      expect(next.epoch).toBeGreaterThan(held.lease.epoch)
      yield* Fiber.interrupt(waiting)
    })
  )

  check("raise the epoch with every acquisition, whoever acquires", (first, second) =>
    Effect.gen(function* () {
      const epochs: Array<number> = []
      for (const contender of [first, second, first, first, second]) {
        const { lease, release } = yield* hold(contender, "owner")
        epochs.push(lease.epoch)
        yield* release
      }
      for (let i = 1; i < epochs.length; i++) expect(epochs[i]).toBeGreaterThan(epochs[i - 1] as number)
    })
  )

  check("keep leases of different names apart", (first, second) =>
    Effect.gen(function* () {
      yield* hold(first, "one")
      const other = yield* Effect.timeout(hold(second, "two"), "5 seconds")
      expect(other.lease.name).toBe("two")
    })
  )

  check("forget a contender that has stopped waiting", (first, second) =>
    Effect.gen(function* () {
      const held = yield* hold(first, "owner")
      const impatient = Effect.timeoutOption(Effect.scoped(hold(second, "owner")), "50 millis")
      expect(yield* impatient).toMatchObject({ _tag: "None" })
      yield* held.release
      const again = yield* Effect.timeout(hold(first, "owner"), "5 seconds")
      expect(again.lease.epoch).toBeGreaterThan(held.lease.epoch)
    })
  )

  check("let the journal refuse what a former holder still writes", (first, second) =>
    Effect.gen(function* () {
      const write = (contender: Contender, { epoch }: Lease, id: string) =>
        Effect.gen(function* () {
          const journal = yield* Journal
          const expected = yield* journal.last("a")
          return yield* journal.append({ stream: "a", expected, epoch, id, data: Buffer.from(id) })
        }).pipe(Effect.provide(contender), Effect.either)
      const fence = (contender: Contender, { epoch }: Lease) =>
        Effect.provide(
          Effect.flatMap(Journal, (journal) => journal.fence("a", epoch)),
          contender
        )

      const former = yield* hold(first, "owner")
      expect(yield* fence(first, former.lease)).toBe(sequenceZero)
      expect((yield* write(first, former.lease, "in time"))._tag).toBe("Right")
      yield* former.release
      const present = yield* hold(second, "owner")
      yield* fence(second, present.lease)
      expect(yield* write(first, former.lease, "late")).toMatchObject({
        left: { _tag: "StaleEpoch", epoch: former.lease.epoch, current: present.lease.epoch }
      })
      expect((yield* write(second, present.lease, "next"))._tag).toBe("Right")
    })
  )
}
