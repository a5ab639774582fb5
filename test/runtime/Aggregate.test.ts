import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope, TestClock } from "effect"
import fc from "fast-check"
import { Epoch } from "../../src/protocols/wire/Ids.ts"
import * as Aggregate from "../../src/runtime/Aggregate.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import { JournalUnavailable } from "../../src/runtime/errors.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import { Store } from "../../src/runtime/Store.ts"
import {
  add,
  appendBytes,
  appendClosed,
  appendDepositLater,
  type Balance,
  balanceFold,
  Deposited,
  deposit,
  emptyBalance
} from "../support/deposits.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn } from "../support/store.ts"

type Services = Store | Journal | DeadLetters | Scope.Scope

const systemIn = (directory: string) =>
  Layer.merge(SqliteJournal.layer, DeadLetters.layerMemory(100)).pipe(
    Layer.provideMerge(storeIn(directory)),
    Layer.merge(quiet)
  )

/** Within one life of the system. */
const check = (name: string, effect: Effect.Effect<void, unknown, Services>) =>
  it.scoped(name, () =>
    Effect.flatMap(temporaryDirectory, (directory) => Effect.provide(effect, systemIn(directory)))
  )

const open = (epoch: number, fold = balanceFold(), eventsKept = 1_000) =>
  Aggregate.open(fold, { epoch: Epoch.make(epoch), eventsKept })

const expected = (amounts: ReadonlyArray<number>): Balance =>
  amounts.reduce<Balance>((balance, amount, i) => add(balance, `d${i}`, amount), emptyBalance)

const depositAll = (aggregate: Aggregate.Aggregate<Balance>, amounts: ReadonlyArray<number>, from = 0) =>
  Effect.forEach(amounts, (amount, i) => aggregate.append(Deposited, deposit(`d${from + i}`, amount)), {
    discard: true
  })

describe("Aggregate", () => {
  it.effect("is at every moment and after any deaths the fold of its stream, whatever is snapshot when", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(fc.integer(), { maxLength: 9 }), { minLength: 1, maxLength: 5 }),
          fc.integer({ min: 1, max: 7 }),
          (lives, snapshotEvery) =>
            Effect.gen(function* () {
              const directory = yield* temporaryDirectory
              const done: Array<number> = []
              for (const [life, amounts] of lives.entries()) {
                yield* Effect.gen(function* () {
                  const aggregate = yield* open(life + 1, balanceFold({ snapshotEvery }))
                  expect(aggregate.state()).toEqual(expected(done))
                  yield* depositAll(aggregate, amounts, done.length)
                  done.push(...amounts)
                  expect(aggregate.state()).toEqual(expected(done))
                }).pipe(Effect.provide(systemIn(directory)))
              }
              const replayed = yield* Effect.provide(
                open(100, balanceFold({ name: "afresh" })),
                systemIn(directory)
              )
              expect(replayed.state()).toEqual(expected(done))
            }).pipe(Effect.scoped, Effect.runPromise)
        ),
        { numRuns: 15 }
      )
    )
  )

  for (const [damage, statement] of [
    ["are damaged", 'UPDATE snapshots SET data = CAST(\'{"total":7,"digest":""}\' AS BLOB)'],
    ["are of another version", "UPDATE snapshots SET version = 9"],
    ["are gone", "DELETE FROM snapshots"]
  ] as const) {
    check(
      `is rebuilt from its stream when its snapshots ${damage}`,
      Effect.gen(function* () {
        const amounts = [1, 2, 3, 4, 5, 6, 7]
        yield* depositAll(yield* open(1), amounts)
        yield* (yield* Store).sql.unsafe(statement)
        expect((yield* open(2)).state()).toEqual(expected(amounts))
      })
    )
  }

  check(
    "is refused when neither its snapshots nor its stream reach back far enough",
    Effect.gen(function* () {
      const amounts = Array.from({ length: 30 }, (_, i) => i)
      yield* depositAll(yield* open(1, balanceFold({ snapshotEvery: 10 }), 5), amounts)
      yield* (yield* Store).sql`DELETE FROM snapshots`
      const error = yield* Effect.flip(open(2))
      expect(error).toMatchObject({ _tag: "HistoryTrimmed", fold: "balance", after: 0 })
    })
  )

  check(
    "needs of its stream only what came after its snapshot",
    Effect.gen(function* () {
      const { sql } = yield* Store
      const amounts = Array.from({ length: 30 }, (_, i) => i)
      yield* depositAll(yield* open(1, balanceFold({ snapshotEvery: 10 }), 5), amounts)
      const [row] = yield* sql<{ kept: number }>`SELECT count(*) AS kept FROM events`
      expect(row?.kept).toBe(5)
      expect((yield* open(2)).state()).toEqual(expected(amounts))
    })
  )

  check(
    "is refused once another has opened it under a higher epoch, and its state stays what was accepted",
    Effect.gen(function* () {
      const former = yield* open(1)
      yield* depositAll(former, [10])
      const next = yield* open(2)
      const stale = yield* Effect.flip(former.append(Deposited, deposit("late", 99)))
      expect(stale).toMatchObject({ _tag: "StaleEpoch", epoch: 1, current: 2 })
      expect(former.state()).toEqual(expected([10]))
      yield* depositAll(next, [20], 1)
      expect(next.state()).toEqual(expected([10, 20]))
      expect((yield* Effect.flip(open(1)))._tag).toBe("StaleEpoch")
    })
  )

  /** A journal whose answers to the next appends are lost, before or after it has done what was asked. */
  const withLostAnswers = (count: number, when: "before" | "after") =>
    Effect.map(Journal, (journal) => {
      let left = count
      const lost = new JournalUnavailable({ stream: "account", operation: "append to", reason: "no answer" })
      return Journal.of({
        ...journal,
        append: (options) =>
          Effect.suspend(() => {
            if (left === 0) return journal.append(options)
            left--
            return when === "before" ? lost : Effect.zipRight(journal.append(options), lost)
          })
      })
    })

  for (const when of ["before", "after"] as const) {
    check(
      `takes an event in once when the answers of the journal are lost ${when} it has written`,
      Effect.gen(function* () {
        const journal = yield* withLostAnswers(3, when)
        const aggregate = yield* Effect.provideService(open(1), Journal, journal)
        const appending = yield* Effect.fork(depositAll(aggregate, [5]))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(appending)
        yield* depositAll(aggregate, [6], 1)
        expect(aggregate.state()).toEqual(expected([5, 6]))
        expect((yield* open(2)).state()).toEqual(expected([5, 6]))
      })
    )
  }

  check(
    "gives up on a journal that stays away, and has not changed",
    Effect.gen(function* () {
      const journal = yield* withLostAnswers(Number.POSITIVE_INFINITY, "before")
      const aggregate = yield* Effect.provideService(open(1), Journal, journal)
      const appending = yield* Effect.fork(Effect.flip(depositAll(aggregate, [5])))
      yield* TestClock.adjust("4 seconds")
      expect(appending.unsafePoll()).toBeNull()
      yield* TestClock.adjust("4 seconds")
      expect((yield* Fiber.join(appending))._tag).toBe("JournalUnavailable")
      expect(aggregate.state()).toEqual(emptyBalance)
      expect(aggregate.sequence()).toBe(0)
    })
  )

  check(
    "passes over what is no event of its own, and keeps it as a dead letter",
    Effect.gen(function* () {
      yield* depositAll(yield* open(0), [1])
      yield* appendBytes("junk", Buffer.from("{"))
      yield* appendClosed("closed")
      const aggregate = yield* open(1)
      yield* depositAll(aggregate, [2], 1)
      expect(aggregate.state()).toEqual(expected([1, 2]))
      const letters = yield* (yield* DeadLetters).latest(10)
      expect(letters.map(({ consumer, subject }) => [consumer, subject])).toEqual([
        ["balance", "account"],
        ["balance", "account"]
      ])
      expect(letters.map(({ reason }) => reason)).toEqual([
        'no event type "closed" is known here',
        expect.stringContaining("not JSON")
      ])
    })
  )

  check(
    "does not open over an event of a newer version, and says that an upgrade is needed",
    Effect.gen(function* () {
      yield* depositAll(yield* open(0), [1])
      const sequence = yield* appendDepositLater("newer", 500)
      expect(yield* Effect.flip(open(1))).toMatchObject({
        _tag: "UpgradeNeeded",
        consumer: "balance",
        stream: "account",
        sequence
      })
      expect(yield* (yield* DeadLetters).count).toBe(0)
    })
  )
})
