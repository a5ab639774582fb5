import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, type Scope, TestClock } from "effect"
import fc from "fast-check"
import * as Consumer from "../../src/runtime/Consumer.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import type { Journal } from "../../src/runtime/Journal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import { Store } from "../../src/runtime/Store.ts"
import {
  appendBytes,
  appendClosed,
  appendDeposit,
  appendDepositLater,
  Deposited,
  DepositedLater
} from "../support/deposits.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn } from "../support/store.ts"

type Services = Store | Journal | DeadLetters | Scope.Scope

const systemIn = (directory: string) =>
  Layer.merge(SqliteJournal.layer, DeadLetters.layerMemory(100)).pipe(
    Layer.provideMerge(storeIn(directory)),
    Layer.merge(quiet)
  )

const inLife = <A, E>(directory: string, effect: Effect.Effect<A, E, Services>) =>
  Effect.scoped(Effect.provide(effect, systemIn(directory)))

/** What has taken effect, in the order that it did; an amount below zero is refused by the table. */
const table = Effect.flatMap(
  Store,
  ({ sql }) =>
    sql`CREATE TABLE IF NOT EXISTS booked (
      place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0))`
)
const booked = Effect.flatMap(Store, ({ sql }) =>
  Effect.map(sql<{ id: string }>`SELECT id FROM booked ORDER BY place`, (rows) => rows.map(({ id }) => id))
)

const open = (triesMax = 3) =>
  Effect.gen(function* () {
    yield* table
    const { sql } = yield* Store
    return yield* Consumer.open({
      name: "books",
      stream: "account",
      events: [Deposited],
      triesMax,
      apply: ({ id, payload }) => [sql`INSERT INTO booked ${sql.insert({ id, amount: payload.amount })}`]
    })
  })

/** The same of a later version of the program. */
const openLater = Effect.gen(function* () {
  yield* table
  const { sql } = yield* Store
  return yield* Consumer.open({
    name: "books",
    stream: "account",
    events: [DepositedLater],
    triesMax: 3,
    apply: ({ id, payload }) => [sql`INSERT INTO booked ${sql.insert({ id, amount: payload.cents })}`]
  })
})

/** Runs the consumer until it has come so far. */
const runThrough = <E, R>(
  opened: Effect.Effect<Effect.Effect.Success<ReturnType<typeof open>>, E, R>,
  through: number
) =>
  Effect.gen(function* () {
    const consumer = yield* opened
    const running = yield* Effect.fork(consumer.run)
    yield* Effect.raceFirst(consumer.progress.reached(through), Effect.asVoid(Fiber.join(running)))
    yield* Fiber.interrupt(running)
  })

const ids = (count: number) => Array.from({ length: count }, (_, i) => `d${i}`)
const depositAll = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(names, (id, i) => appendDeposit(id, i)),
    (sequences) => sequences.at(-1) as number
  )

/**
 * A store whose process dies at its n-th write for the consumer: before the commit, or after it and before anyone
 * hears of it.
 */
const dyingStore = (at: number, when: "before" | "after", died: Deferred.Deferred<void>) =>
  Effect.map(Store, (store) => {
    let writes = 0
    const die = Effect.zipRight(Deferred.succeed(died, undefined), Effect.never)
    return Store.of({
      ...store,
      write: (operation, statements) => {
        if (!operation.startsWith("apply events")) return store.write(operation, statements)
        if (++writes < at) return store.write(operation, statements)
        return when === "before" ? die : Effect.zipRight(store.write(operation, statements), die)
      }
    })
  })

/** Some numbers from 0 on, each at least once, in any order. */
const repeatedOrder = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(), { maxLength: 12 }))
  .map(([count, more]) => [...Array(count).keys(), ...more.map((n) => n % count)])
  .chain((numbers) => fc.shuffledSubarray(numbers, { minLength: numbers.length }))

const check = (name: string, effect: (directory: string) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.scopedLive(name, () => Effect.flatMap(temporaryDirectory, effect))

/** A process that dies takes a try with it: what is only unlucky must not run out of them. */
const livesMax = 4
const triesBeyondLives = livesMax + 2

describe("Consumer", () => {
  it.effect("applies every event once and in order, at whatever write its process dies", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              events: fc.integer({ min: 1, max: 6 }),
              at: fc.integer({ min: 1, max: 3 }),
              when: fc.constantFrom("before" as const, "after" as const)
            }),
            { minLength: 1, maxLength: livesMax }
          ),
          (lives) =>
            Effect.gen(function* () {
              const directory = yield* temporaryDirectory
              const appended: Array<string> = []
              let through = 0
              for (const { at, events, when } of lives) {
                yield* inLife(
                  directory,
                  Effect.gen(function* () {
                    const died = yield* Deferred.make<void>()
                    const consumer = yield* Effect.provideServiceEffect(
                      open(triesBeyondLives),
                      Store,
                      dyingStore(at, when, died)
                    )
                    const running = yield* Effect.fork(consumer.run)
                    for (let i = 0; i < events; i++) {
                      const id = `d${appended.length}`
                      through = yield* appendDeposit(id, appended.length)
                      appended.push(id)
                    }
                    yield* Effect.raceFirst(Deferred.await(died), consumer.progress.reached(through))
                    yield* Fiber.interrupt(running)
                  })
                )
              }
              yield* inLife(
                directory,
                Effect.gen(function* () {
                  yield* runThrough(open(triesBeyondLives), through)
                  expect(yield* booked).toEqual(appended)
                })
              )
            }).pipe(Effect.scoped, Effect.runPromise)
        ),
        { numRuns: 15 }
      )
    )
  )

  check("goes on after what it has a receipt for, and follows what comes", (directory) =>
    Effect.gen(function* () {
      yield* inLife(
        directory,
        Effect.flatMap(depositAll(ids(3)), (through) => runThrough(open(), through))
      )
      yield* inLife(
        directory,
        Effect.gen(function* () {
          const consumer = yield* open()
          expect(consumer.progress.current()).toBe(3)
          yield* Effect.fork(consumer.run)
          yield* consumer.progress.reached(yield* appendDeposit("d3", 3))
          yield* consumer.progress.reached(yield* appendDeposit("d4", 4))
          expect(yield* booked).toEqual(ids(5))
        })
      )
    })
  )

  check(
    "tries an event that fails a stated number of times, keeps it with its cause, and lets the others flow",
    (directory) =>
      inLife(
        directory,
        Effect.gen(function* () {
          yield* depositAll(ids(3))
          const poison = yield* appendDeposit("poison", -1)
          const through = yield* appendDeposit("d4", 4)
          yield* runThrough(open(3), through)
          expect(yield* booked).toEqual(["d0", "d1", "d2", "d4"])
          const [letter, ...others] = yield* (yield* DeadLetters).latest(10)
          expect(others).toEqual([])
          expect(letter).toMatchObject({ consumer: "books", subject: `account/${poison}` })
          expect(letter?.reason).toMatch(/^3 tries failed, the last because .*CHECK constraint failed/)
          expect(Buffer.from(letter?.data ?? []).toString("utf8")).toContain('"amount":-1')
        })
      )
  )

  check("gives up an event whose every try ends the process, and lets the others flow", (directory) =>
    Effect.gen(function* () {
      yield* inLife(directory, appendDeposit("deadly", 0))
      for (const _life of [1, 2, 3]) {
        yield* inLife(
          directory,
          Effect.gen(function* () {
            const died = yield* Deferred.make<void>()
            const consumer = yield* Effect.provideServiceEffect(open(3), Store, dyingStore(1, "before", died))
            const running = yield* Effect.fork(consumer.run)
            yield* Deferred.await(died)
            yield* Fiber.interrupt(running)
          })
        )
      }
      yield* inLife(
        directory,
        Effect.gen(function* () {
          yield* runThrough(open(3), yield* appendDeposit("d1", 1))
          expect(yield* booked).toEqual(["d1"])
          const [letter] = yield* (yield* DeadLetters).latest(1)
          expect(letter?.reason).toContain("its tries ended with the process")
        })
      )
    })
  )

  check("treats an event that cannot even be turned into rows like one that fails", (directory) =>
    inLife(
      directory,
      Effect.gen(function* () {
        yield* table
        const { sql } = yield* Store
        let tries = 0
        const through = yield* depositAll(ids(3))
        const opened = Consumer.open({
          name: "books",
          stream: "account",
          events: [Deposited],
          triesMax: 2,
          apply: ({ id, payload }) => {
            if (id === "d1") throw new Error(`attempt ${++tries}`)
            return [sql`INSERT INTO booked ${sql.insert({ id, amount: payload.amount })}`]
          }
        })
        yield* runThrough(opened, through)
        expect(yield* booked).toEqual(["d0", "d2"])
        const [letter] = yield* (yield* DeadLetters).latest(1)
        expect(letter?.reason).toContain(
          "2 tries failed, the last because it cannot be applied: Error: attempt"
        )
        // One for the batch that the event came in, then the stated ones.
        expect(tries).toBe(3)
      })
    )
  )

  it.scoped("counts the tries of an event over all its lives", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const attempts = Effect.flatMap(Store, ({ sql }) =>
        Effect.map(sql<{ attempts: number }>`SELECT attempts FROM cursors`, ([row]) => row?.attempts)
      )
      yield* inLife(directory, appendDeposit("poison", -1))
      for (const life of [1, 2, 3]) {
        yield* inLife(
          directory,
          Effect.gen(function* () {
            const running = yield* Effect.fork((yield* open(3)).run)
            // No time passes: it dies while it waits to try again.
            yield* TestClock.adjust(0)
            expect(yield* attempts).toBe(life)
            expect(yield* (yield* DeadLetters).count).toBe(0)
            yield* Fiber.interrupt(running)
          })
        )
      }
      yield* inLife(
        directory,
        Effect.gen(function* () {
          const through = yield* appendDeposit("d1", 1)
          const consumer = yield* open(3)
          yield* Effect.fork(consumer.run)
          yield* TestClock.adjust("10 seconds")
          yield* consumer.progress.reached(through)
          expect(yield* booked).toEqual(["d1"])
          expect(yield* (yield* DeadLetters).count).toBe(1)
          expect(yield* attempts).toBe(0)
        })
      )
    })
  )

  check(
    "passes over types that it does not act on, and keeps what is no event as a dead letter",
    (directory) =>
      inLife(
        directory,
        Effect.gen(function* () {
          yield* appendDeposit("d0", 0)
          yield* appendClosed("closed")
          yield* appendBytes("junk", Buffer.from("not an event"))
          const through = yield* appendDeposit("d1", 1)
          yield* runThrough(open(), through)
          expect(yield* booked).toEqual(["d0", "d1"])
          const letters = yield* (yield* DeadLetters).latest(10)
          expect(letters.map(({ reason }) => reason)).toEqual([expect.stringContaining("not JSON")])
        })
      )
  )

  check(
    "parks an event of a newer version, lets the others flow, and applies it once after the upgrade",
    (directory) =>
      Effect.gen(function* () {
        yield* inLife(
          directory,
          Effect.gen(function* () {
            yield* appendDeposit("d0", 0)
            yield* appendDepositLater("later", 250)
            const through = yield* appendDeposit("d1", 1)
            yield* runThrough(open(), through)
            expect(yield* booked).toEqual(["d0", "d1"])
            expect(yield* (yield* DeadLetters).count).toBe(0)
          })
        )
        for (const life of [1, 2]) {
          yield* inLife(
            directory,
            Effect.gen(function* () {
              yield* runThrough(openLater, yield* appendDeposit(`after-${life}`, life))
            })
          )
        }
        expect(yield* inLife(directory, Effect.zipRight(table, booked))).toEqual([
          "d0",
          "d1",
          "later",
          "after-1",
          "after-2"
        ])
      })
  )

  check("keeps a parked event that fails after the upgrade as a dead letter, and goes on", (directory) =>
    Effect.gen(function* () {
      yield* inLife(
        directory,
        Effect.gen(function* () {
          yield* appendDepositLater("later", -250)
          yield* runThrough(open(), yield* appendDeposit("d1", 1))
        })
      )
      yield* inLife(
        directory,
        Effect.gen(function* () {
          yield* runThrough(openLater, yield* appendDeposit("d2", 2))
          expect(yield* booked).toEqual(["d1", "d2"])
          const letters = yield* (yield* DeadLetters).latest(10)
          expect(letters.map(({ reason }) => reason)).toEqual([
            expect.stringMatching(/^it was parked, and then .*CHECK constraint failed/)
          ])
        })
      )
    })
  )

  check("writes one letter for what is no event, over all its lives", (directory) =>
    Effect.gen(function* () {
      const letters = Effect.flatMap(DeadLetters, ({ count }) => count)
      yield* inLife(directory, appendBytes("junk", Buffer.from("not an event")))
      let written = 0
      for (const life of [1, 2, 3]) {
        written += yield* inLife(
          directory,
          Effect.gen(function* () {
            yield* runThrough(open(), yield* appendBytes(`junk-${life}`, Buffer.from("no event either")))
            return yield* letters
          })
        )
      }
      expect(written).toBe(4)
    })
  )

  it.effect(
    "reaches the same rows from any order of its events and any repetition, where rows are named by ids",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(repeatedOrder, (order) =>
            Effect.gen(function* () {
              const { sql } = yield* Store
              yield* sql`CREATE TABLE balances (id TEXT PRIMARY KEY, amount INTEGER NOT NULL)`
              let through = 0
              for (const n of order) through = yield* appendDeposit(`d${n}`, n * 10)
              const opened = Consumer.open({
                name: "books",
                stream: "account",
                events: [Deposited],
                triesMax: 1,
                apply: ({ id, payload }) => [
                  sql`INSERT OR IGNORE INTO balances ${sql.insert({ id, amount: payload.amount })}`
                ]
              })
              yield* runThrough(opened, through)
              const rows = yield* sql`SELECT id, amount FROM balances ORDER BY id`
              const all = [...new Set(order)].sort((a, b) => a - b)
              expect(rows).toEqual(all.map((n) => ({ id: `d${n}`, amount: n * 10 })))
            }).pipe(
              (effect) => Effect.flatMap(temporaryDirectory, (directory) => inLife(directory, effect)),
              Effect.scoped,
              Effect.runPromise
            )
          ),
          { numRuns: 10 }
        )
      )
  )
})
