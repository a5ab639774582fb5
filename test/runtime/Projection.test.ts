import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, type Scope } from "effect"
import fc from "fast-check"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import type { Journal } from "../../src/runtime/Journal.ts"
import * as Projection from "../../src/runtime/Projection.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import type { Store } from "../../src/runtime/Store.ts"
import {
  add,
  appendBytes,
  appendDeposit,
  appendDepositLater,
  type Balance,
  balanceFold,
  DepositedLater,
  emptyBalance
} from "../support/deposits.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn } from "../support/store.ts"

const systemIn = (directory: string) =>
  Layer.merge(SqliteJournal.layer, DeadLetters.layerMemory(100)).pipe(
    Layer.provideMerge(storeIn(directory)),
    Layer.merge(quiet)
  )

type Services = Store | Journal | DeadLetters | Scope.Scope

const check = (name: string, effect: (directory: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive(name, () => Effect.flatMap(temporaryDirectory, effect))

/** One life of a projection, until what is in the stream has been acted on. */
const live = (directory: string, through: number, fold = balanceFold()) =>
  Effect.gen(function* () {
    const projection = yield* Projection.open(fold)
    const acted: Array<string> = []
    const fiber = yield* Effect.fork(projection.run((event) => Effect.sync(() => void acted.push(event.id))))
    yield* Effect.raceFirst(projection.progress.reached(through), Effect.asVoid(Fiber.join(fiber)))
    yield* Fiber.interrupt(fiber)
    return { acted, state: projection.state(), applied: projection.applied() }
  }).pipe(Effect.scoped, Effect.provide(systemIn(directory)))

const inLife = <A, E>(directory: string, effect: Effect.Effect<A, E, Services>) =>
  Effect.scoped(Effect.provide(effect, systemIn(directory)))

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `d${from + i}`)
const depositAll = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(names, (id, i) => appendDeposit(id, i)),
    (sequences) => sequences.at(-1) as number
  )
const expected = (names: ReadonlyArray<string>): Balance =>
  names.reduce<Balance>((balance, id, i) => add(balance, id, i), emptyBalance)

describe("Projection", () => {
  check("applies the events of its stream in order, and acts on each with the state after it", (directory) =>
    Effect.gen(function* () {
      const names = ids(10)
      yield* inLife(directory, depositAll(names))
      const states: Array<Balance> = []
      yield* inLife(
        directory,
        Effect.gen(function* () {
          const projection = yield* Projection.open(balanceFold())
          yield* Effect.fork(projection.run((_, state) => Effect.sync(() => void states.push(state))))
          yield* projection.progress.reached(10)
        })
      )
      expect(states).toEqual(names.map((_, i) => expected(names.slice(0, i + 1))))
    })
  )

  check("waits with the next event until the last has been acted on", (directory) =>
    inLife(
      directory,
      Effect.gen(function* () {
        const through = yield* depositAll(ids(3))
        const projection = yield* Projection.open(balanceFold())
        let acting = 0
        let most = 0
        yield* Effect.fork(
          projection.run(() =>
            Effect.gen(function* () {
              most = Math.max(most, ++acting)
              yield* Effect.yieldNow()
              acting--
            })
          )
        )
        yield* projection.progress.reached(through)
        expect(most).toBe(1)
      })
    )
  )

  check("sees after its death the events since its last snapshot again, and no others", (directory) =>
    Effect.gen(function* () {
      const names = ids(10)
      const through = yield* inLife(directory, depositAll(names))
      const first = yield* live(directory, through)
      const next = yield* inLife(directory, appendDeposit("d10", 10))
      const second = yield* live(directory, next)
      expect(first).toEqual({ acted: names, state: expected(names), applied: through })
      // Snapshots are taken every three events.
      expect(second.acted).toEqual(["d9", "d10"])
      expect(second.state).toEqual(expected(ids(11)))
    })
  )

  it.effect("has the state of its stream, however often and wherever it dies", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
          fc.integer({ min: 1, max: 6 }),
          (deaths, snapshotEvery) =>
            Effect.gen(function* () {
              const directory = yield* temporaryDirectory
              const names = ids(12)
              const through = yield* inLife(directory, depositAll(names))
              const fold = balanceFold({ snapshotEvery })
              for (const death of deaths) {
                // Dies in the middle of acting on an event.
                yield* inLife(
                  directory,
                  Effect.gen(function* () {
                    const projection = yield* Projection.open(fold)
                    const exit = yield* Effect.exit(
                      projection.run((_, __, sequence) =>
                        sequence >= death ? Effect.dieMessage("killed") : Effect.void
                      )
                    )
                    expect(Exit.isFailure(exit)).toBe(true)
                  })
                )
              }
              const last = yield* live(directory, through, fold)
              expect(last.state).toEqual(expected(names))
            }).pipe(Effect.scoped, Effect.runPromise)
        ),
        { numRuns: 10 }
      )
    )
  )

  check("passes over what is no event and keeps it as a dead letter", (directory) =>
    inLife(
      directory,
      Effect.gen(function* () {
        yield* depositAll(ids(1))
        const junk = yield* appendBytes("junk", Buffer.from("[1"))
        const through = yield* appendDeposit("d1", 1)
        const projection = yield* Projection.open(balanceFold())
        yield* Effect.fork(projection.run(() => Effect.void))
        yield* projection.progress.reached(through)
        expect(projection.state()).toEqual(expected(ids(2)))
        expect(junk).toBeLessThan(through)
        expect(yield* (yield* DeadLetters).count).toBe(1)
      })
    )
  )

  check("stops before an event of a newer version, and goes on from there after the upgrade", (directory) =>
    Effect.gen(function* () {
      const newer = yield* inLife(
        directory,
        Effect.zipRight(depositAll(ids(2)), appendDepositLater("later", 250))
      )
      const last = yield* inLife(directory, appendDeposit("d3", 3))
      const stopped = yield* Effect.flip(live(directory, last))
      expect(stopped).toMatchObject({ _tag: "UpgradeNeeded", consumer: "balance", sequence: newer })
      const upgraded = {
        ...balanceFold({ version: 2 }),
        events: [DepositedLater] as const,
        evolve: (
          balance: Balance,
          event: { readonly id: string; readonly payload: { readonly cents: number } }
        ) => add(balance, event.id, event.payload.cents)
      }
      const { acted, state } = yield* live(directory, last, upgraded as never)
      expect(acted).toEqual(["d0", "d1", "later", "d3"])
      expect(state.total).toBe(0 + 100 + 250 + 300)
    })
  )
})
