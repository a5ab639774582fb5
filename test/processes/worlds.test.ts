/**
 * Two worlds as proofs. In `momentum` there is an edge: it has to be found, and to be worth more than it costs. In
 * `efficient` there is none: it must not be claimed.
 */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Effect, Either, Layer, Stream } from "effect"
import { logLoss } from "../../src/learning/evaluation/Scoring.ts"
import { decisionsEvents, decisionsStream, type RoundClosed } from "../../src/protocols/Decision.ts"
import type { Probabilities } from "../../src/protocols/Opinion.ts"
import * as EventType from "../../src/protocols/wire/EventType.ts"
import { sequenceZero } from "../../src/protocols/wire/Ids.ts"
import { Journal } from "../../src/runtime/Journal.ts"
import * as SqliteJournal from "../../src/runtime/SqliteJournal.ts"
import { type Line, linesOf, runConclave } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { quiet, storeIn } from "../support/store.ts"

const seeds = 20
/** Of Student's t with 19 degrees of freedom, two-sided at 5%. */
const tCritical = 2.093
/** Turnover that counts as none: a share of the starting equity, on average over the seeds. */
const turnoverMax = 0.05
/** Nats by which the linear voter's log loss is below the base rate's. */
const marginMin = 0.01

const sides = ["sell", "hold", "buy"] as const

const world = (name: string, seed: number, asOfs: number, directory: string) =>
  Effect.map(
    runConclave([
      ...["up", "--world", name, "--seed", `${seed}`, "--speed", "max", "--as-ofs", `${asOfs}`],
      ...["--json", "--data-directory", directory]
    ]),
    (ended) => {
      expect(ended.code).toBe(0)
      return linesOf(ended).at(-1) as Line
    }
  )

/** Everything that the run has decided and seen come true, from its journal. */
const roundsOf = (directory: string, run: string) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const last = yield* journal.last(decisionsStream)
    const records = yield* Stream.runCollect(journal.replay(decisionsStream, sequenceZero, last))
    const decode = EventType.decoder(decisionsEvents)
    return Chunk.toReadonlyArray(records).map(({ data }): RoundClosed => Either.getOrThrow(decode(data)))
  }).pipe(
    Effect.provide(
      SqliteJournal.layer.pipe(
        Layer.provide(storeIn(join(directory, "node", "runs", run))),
        Layer.provide(quiet)
      )
    )
  )

/** How much lower the voter's log loss is than that of the base rate it was up against, opinion by opinion. */
const gainsOf = (rounds: ReadonlyArray<RoundClosed>, voter: string): ReadonlyArray<number> => {
  const given = new Map<string, { readonly voter: Probabilities; readonly base: Probabilities }>()
  const gains: Array<number> = []
  const loss = ({ buy, hold, sell }: Probabilities, label: (typeof sides)[number]) =>
    logLoss([sell, hold, buy], sides.indexOf(label))
  for (const { payload } of rounds) {
    for (const { asOf, instrument, label } of payload.outcomes) {
      const opinion = given.get(`${instrument}/${asOf}`)
      if (opinion !== undefined) gains.push(loss(opinion.base, label) - loss(opinion.voter, label))
    }
    for (const { inputs, key } of payload.decisions) {
      const answer = inputs.answers.find((candidate) => candidate.voter === voter)
      if (
        answer?._tag !== "Opinion" ||
        answer.standIn !== "none" ||
        inputs.baseRate === null ||
        inputs.warmUp
      )
        continue
      given.set(`${key.instrument}/${key.asOf}`, {
        voter: answer.probabilities,
        base: inputs.baseRate.probabilities
      })
    }
  }
  return gains
}

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

/** Of the mean against zero; 0 where nothing varies. */
const tOf = (values: ReadonlyArray<number>): number => {
  const average = mean(values)
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1)
  return variance === 0 ? 0 : average / Math.sqrt(variance / values.length)
}

describe("the simulator's worlds", () => {
  it.scopedLive(
    "have in `momentum` an edge that the linear voter finds and the committee lives on, after costs",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const summary = yield* world("momentum", 1, 2_000, directory)
        const gains = gainsOf(yield* roundsOf(directory, summary.run as string), "deep-learning")
        expect(gains.length).toBeGreaterThan(4_000)
        expect(mean(gains)).toBeGreaterThan(marginMin)
        expect(summary.fills).toBeGreaterThan(50)
        expect(summary.fees).toBeGreaterThan(0)
        expect(summary.finalEquity).toBeGreaterThan(Number(summary.startingEquity) * 1.1)
      }),
    60_000
  )

  it.scopedLive(
    "have in `efficient` none, and the committee claims none over many seeds",
    () =>
      Effect.gen(function* () {
        const summaries = yield* Effect.forEach(
          Array.from({ length: seeds }, (_, i) => i + 1),
          (seed) =>
            Effect.scoped(
              Effect.flatMap(temporaryDirectory, (directory) => world("efficient", seed, 800, directory))
            ),
          { concurrency: 2 }
        )
        const of = (field: string) =>
          summaries.map((summary) => Number(summary[field]) / Number(summary.startingEquity))
        expect(mean(of("turnover"))).toBeLessThan(turnoverMax)
        const excess = of("finalEquity").map((equity) => equity - 1)
        expect(tOf(excess)).toBeLessThan(tCritical)
      }),
    240_000
  )
})
