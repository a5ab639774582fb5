import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import fc from "fast-check"
import { Sequence } from "../../src/protocols/wire/Ids.ts"
import { DeadLetters } from "../../src/runtime/DeadLetters.ts"
import { type FoldDefinition, loadSnapshot, saveSnapshot } from "../../src/runtime/Fold.ts"
import { Store } from "../../src/runtime/Store.ts"
import { add, type Balance, balanceFold, emptyBalance } from "../support/deposits.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { flipBitOf, quiet, storeIn, temporaryStore } from "../support/store.ts"

const fold = balanceFold()
const at = (sequence: number, total: number) => ({
  sequence: Sequence.make(sequence),
  state: add(emptyBalance, `${sequence}`, total)
})
const nothing = { state: emptyBalance, sequence: 0 }

const rows = Effect.flatMap(Store, ({ sql }) =>
  Effect.map(
    sql<{ sequence: number }>`SELECT sequence FROM snapshots WHERE fold = 'balance' ORDER BY sequence`,
    (all) => all.map(({ sequence }) => sequence)
  )
)

const check = (name: string, effect: Effect.Effect<void, unknown, Store | DeadLetters>) =>
  it.scopedLive(name, () =>
    Effect.provide(effect, Layer.mergeAll(temporaryStore(), DeadLetters.layerMemory(10), quiet))
  )

describe("the snapshots of a fold", () => {
  check(
    "begin with none: the initial state, before the first event",
    Effect.gen(function* () {
      expect(yield* loadSnapshot(fold)).toEqual(nothing)
    })
  )

  check(
    "come back as they were saved, the latest first",
    Effect.gen(function* () {
      yield* saveSnapshot(fold, at(3, 30))
      yield* saveSnapshot(fold, at(9, 90))
      expect(yield* loadSnapshot(fold)).toEqual(at(9, 90))
      yield* saveSnapshot(fold, at(9, 91))
      expect(yield* loadSnapshot(fold)).toEqual(at(9, 91))
    })
  )

  check(
    "are kept for a stated number of places only",
    Effect.gen(function* () {
      for (let i = 1; i <= 20; i++) yield* saveSnapshot(fold, at(i, i))
      expect(yield* rows).toEqual([19, 20])
    })
  )

  check(
    "of one fold are none of another's",
    Effect.gen(function* () {
      yield* saveSnapshot(fold, at(3, 30))
      expect(yield* loadSnapshot(balanceFold({ name: "other" }))).toEqual(nothing)
    })
  )

  check(
    "of another version are ignored",
    Effect.gen(function* () {
      yield* saveSnapshot(fold, at(3, 30))
      yield* saveSnapshot(balanceFold({ version: 2 }), at(9, 90))
      expect(yield* loadSnapshot(fold)).toEqual(at(3, 30))
      expect(yield* loadSnapshot(balanceFold({ version: 3 }))).toEqual(nothing)
    })
  )

  check(
    "that do not decode are ignored",
    Effect.gen(function* () {
      const loose = { ...fold, snapshot: Schema.Any } as FoldDefinition<Balance, Balance, typeof fold.events>
      yield* saveSnapshot(fold, at(3, 30))
      yield* saveSnapshot(loose, { sequence: Sequence.make(9), state: { total: 0.5, digest: "" } })
      expect(yield* loadSnapshot(fold)).toEqual(at(3, 30))
    })
  )

  for (const [column, value] of [
    ["data", `CAST('{"total":1000000,"digest":""}' AS BLOB)`],
    ["sequence", "10"],
    ["hash", "'0'"]
  ] as const) {
    check(
      `whose ${column} is not what was written are ignored for the one before`,
      Effect.gen(function* () {
        const { sql } = yield* Store
        yield* saveSnapshot(fold, at(3, 30))
        yield* saveSnapshot(fold, at(9, 90))
        yield* sql.unsafe(`UPDATE snapshots SET ${column} = ${value} WHERE sequence = 9`)
        expect(yield* loadSnapshot(fold)).toEqual(at(3, 30))
        yield* sql.unsafe("DELETE FROM snapshots WHERE sequence = 3")
        expect(yield* loadSnapshot(fold)).toEqual(nothing)
      })
    )
  }

  it.scopedLive("with a flipped bit in the file are ignored", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const layer = Layer.merge(storeIn(directory), quiet)
      yield* Effect.provide(saveSnapshot(fold, at(9, 123_454_321)), layer)
      yield* flipBitOf(directory, "123454321")
      expect(yield* Effect.provide(loadSnapshot(fold), layer)).toEqual(nothing)
    })
  )

  it.scopedLive("hold any state of their schema", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(temporaryStore())
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.record({ total: fc.maxSafeInteger(), digest: fc.fullUnicodeString() }),
            fc.nat(),
            (state, sequence) =>
              Effect.gen(function* () {
                const snapshot = { state, sequence: Sequence.make(sequence) }
                const { sql } = yield* Store
                yield* sql`DELETE FROM snapshots`
                yield* saveSnapshot(fold, snapshot)
                expect(yield* loadSnapshot(fold)).toEqual(snapshot)
              }).pipe(Effect.provide(context), Effect.runPromise)
          ),
          { numRuns: 50 }
        )
      )
    })
  )
})
