import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Stream } from "effect"
import { enveloped } from "../../../src/agents/NodeContext.ts"
import * as DecisionIndex from "../../../src/agents/orchestrator/DecisionIndex.ts"
import { type Decision, decisionsStream, RoundClosed } from "../../../src/protocols/Decision.ts"
import { DecisionNotFound } from "../../../src/protocols/errors.ts"
import { Sequence } from "../../../src/protocols/wire/Ids.ts"
import { Store } from "../../../src/runtime/Store.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { run } from "../feedEvents.ts"
import { append, nodeServices, nodeServicesIn } from "../nodeServices.ts"
import { type Round, session } from "./rounds.ts"

const { rounds } = session(31, 40)
const decisions: ReadonlyArray<Decision> = rounds.flatMap((round) => round.decisions)
const first = decisions[0] as Decision
const ids = (found: Iterable<Decision>) => [...found].map(({ id }) => id)

const writeRounds = (some: ReadonlyArray<Round>) =>
  Effect.forEach(some, (round) =>
    append(
      decisionsStream,
      RoundClosed,
      enveloped(
        { run, source: "orchestrator", asOf: round.asOf, subject: `round-${round.barsSequence}` },
        round
      )
    )
  )

/** The index over the given rounds, once it has come to their end. */
const indexOver = (some: ReadonlyArray<Round>) =>
  Effect.gen(function* () {
    const sequences = yield* writeRounds(some)
    const index = yield* DecisionIndex.open
    yield* Effect.forkScoped(index.run)
    yield* index.progress.reached(sequences.at(-1) ?? 0)
    return { index, sequences }
  })

const failureOf = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(effect)

describe("the index of decisions", () => {
  it.scopedLive("finds a decision by its id and by the first digits of it, as it was recorded", () =>
    Effect.gen(function* () {
      const { index } = yield* indexOver(rounds)
      expect(yield* index.byId(first.id)).toEqual(first)
      expect((yield* index.byId(first.id.slice(0, 12))).id).toBe(first.id)
      for (const { id } of decisions.slice(-5)) expect((yield* index.byId(id)).id).toBe(id)
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive("refuses what it does not know, and digits that more than one begins with", () =>
    Effect.gen(function* () {
      const { index } = yield* indexOver(rounds)
      for (const unknown of ["f".repeat(32), `${first.id}0`, ""]) {
        expect(yield* failureOf(index.byId(unknown))).toBeInstanceOf(DecisionNotFound)
      }
      const digit = [..."0123456789abcdef"].find(
        (candidate) => decisions.filter(({ id }) => id.startsWith(candidate)).length > 1
      ) as string
      expect(yield* failureOf(index.byId(digit))).toBeInstanceOf(DecisionNotFound)
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive("gives the latest, oldest first, of all or of one instrument", () =>
    Effect.gen(function* () {
      const { index, sequences } = yield* indexOver(rounds)
      const end = sequences.at(-1) as Sequence
      expect(ids(yield* index.latest(5, undefined, end))).toEqual(ids(decisions.slice(-5)))
      expect(ids(yield* index.latest(10_000, undefined, end))).toEqual(ids(decisions))
      const { instrument } = first.key
      const own = decisions.filter(({ key }) => key.instrument === instrument)
      expect(ids(yield* index.latest(3, instrument, end))).toEqual(ids(own.slice(-3)))
      expect(yield* index.latest(3, "sim:NOBODY:spot", end)).toEqual([])
      expect(yield* index.latest(0, undefined, end)).toEqual([])
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive("gives the latest up to a place in the stream, whatever has been accepted since", () =>
    Effect.gen(function* () {
      const { index, sequences } = yield* indexOver(rounds)
      const then = rounds.slice(0, 31).flatMap((round) => round.decisions)
      const through = sequences[30] as Sequence
      expect(ids(yield* index.latest(4, undefined, through))).toEqual(ids(then.slice(-4)))
      const own = then.filter(({ key }) => key.instrument === first.key.instrument)
      expect(ids(yield* index.latest(4, first.key.instrument, through))).toEqual(ids(own.slice(-4)))
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive("follows what is accepted after a place in the stream, of one instrument too", () =>
    Effect.gen(function* () {
      const { index, sequences } = yield* indexOver(rounds.slice(0, 30))
      const expected = rounds
        .slice(30)
        .flatMap((round) => round.decisions)
        .filter(({ key }) => key.instrument === first.key.instrument)
      const following = yield* Effect.fork(
        index
          .after(Sequence.make(sequences.at(-1) ?? 0), first.key.instrument)
          .pipe(Stream.take(expected.length), Stream.runCollect)
      )
      yield* writeRounds(rounds.slice(30))
      expect(ids(Chunk.toReadonlyArray(yield* Fiber.join(following)))).toEqual(ids(expected))
    }).pipe(Effect.provide(nodeServices()))
  )

  it.scopedLive(
    "goes on in its next life where it was, and is rebuilt from the journal when it is lost",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const life = <A, E>(body: Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof indexOver>>>) =>
          Effect.scoped(body).pipe(Effect.provide(nodeServicesIn(directory)))
        const count = Effect.flatMap(Store, ({ read, sql }) =>
          Effect.map(
            read("count", sql<{ rows: number }>`SELECT count(*) AS rows FROM decision_index`),
            ([row]) => row?.rows
          )
        )
        yield* life(indexOver(rounds.slice(0, 30)))
        yield* life(
          Effect.gen(function* () {
            const { index } = yield* indexOver(rounds.slice(30))
            expect(yield* count).toBe(decisions.length)
            expect((yield* index.byId(first.id)).id).toBe(first.id)
            const { sql, write } = yield* Store
            yield* write("lose the index", [sql`DELETE FROM decision_index`, sql`DELETE FROM cursors`])
          })
        )
        yield* life(
          Effect.gen(function* () {
            const index = yield* DecisionIndex.open
            yield* Effect.forkScoped(index.run)
            yield* index.progress.reached(rounds.length)
            expect(yield* count).toBe(decisions.length)
            expect(ids(yield* index.latest(10_000, undefined, Sequence.make(rounds.length)))).toEqual(
              ids(decisions)
            )
          })
        )
      })
  )
})
