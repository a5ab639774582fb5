import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Fiber, Schema } from "effect"
import { champion } from "../../../src/agents/reinforcement-learning/Policies.ts"
import type { PolicyRequest } from "../../../src/agents/reinforcement-learning/PolicyTrainings.ts"
import { readTrainedPolicy } from "../../../src/agents/training/policies/TrainedPolicy.ts"
import { Trial } from "../../../src/learning/evaluation/Trials.ts"
import { NotReady } from "../../../src/protocols/errors.ts"
import type { PolicyTrainingEvent } from "../../../src/protocols/Strategy.ts"
import { asOfAt, simulated, timeFrame } from "../feedEvents.ts"
import {
  alias,
  asOf,
  instruments,
  made,
  quietly,
  request,
  serving,
  tableVersion,
  trainedWith
} from "./policyRuns.ts"

type Trained = Extract<PolicyTrainingEvent, { readonly _tag: "Trained" }>
const metricOf = ({ metrics }: Trained, wanted: string): number =>
  metrics.find(({ name }) => name === wanted)?.value ?? Number.NaN

describe("the trainings of policies", () => {
  it.live(
    "make a policy of the bars up to the as-of, which can be asked and does not vote in a world without an edge",
    () =>
      Effect.gen(function* () {
        const { artefacts, asked, policies, trainings } = made()
        const told = yield* trainedWith(trainings)
        const last = told.at(-1)
        if (last?._tag !== "Trained") throw new Error("it was not trained")
        expect(last).toMatchObject({ isDeployed: true, isServing: false })
        expect(policies.deployments.get(alias)).toMatchObject({ version: last.version, since: asOf })
        expect(champion(policies, timeFrame)).toBeUndefined()
        const artefact = artefacts.get(last.version) as Uint8Array
        const { data } = Either.getOrThrow(readTrainedPolicy(artefact))
        expect(data.knownTo).toBeLessThanOrEqual(asOf)
        // It learns from what happened.
        expect(new Set(asked.map(({ corrected }) => corrected))).toEqual(new Set([true]))
        const [metrics] = trainings.metrics()
        expect(metrics).toMatchObject({ algorithm: "ppo", state: "trained", reason: last.reason })
        expect(metrics?.episodes).toBe(metrics?.episodeRewards.length)
        // The same bars, settings and seed: the same version, whatever process made it.
        const [again] = (yield* trainedWith(made().trainings)).slice(-1)
        expect(again).toEqual(last)
        const judged = yield* trainings.evaluate(timeFrame, {
          asOf: asOfAt(699),
          instrument: instruments[0]?.id as PolicyRequest["instruments"][number],
          version: last.version
        })
        expect(judged).toMatchObject({ version: last.version, algorithm: "ppo" })
        expect(judged.performance.from).toBeGreaterThan(judged.learnedTo)
        expect(judged.performance.bars).toBeGreaterThan(200)
      }),
    120_000
  )

  it.live(
    "are one at a time, end with whoever asked, and leave room for the next",
    () =>
      Effect.gen(function* () {
        const { trainings } = made()
        const began = yield* Effect.makeLatch()
        const endless = yield* Effect.fork(
          trainings.train(timeFrame, request({ steps: 100_000_000 }), () => began.open)
        )
        yield* began.await
        const second = yield* Effect.flip(trainings.train(timeFrame, request(), () => Effect.void))
        expect(second).toEqual(
          new NotReady({ reason: "the ppo of 1h is being trained, and there is one at a time" })
        )
        yield* Fiber.interrupt(endless)
        expect(trainings.metrics()).toMatchObject([{ state: "stopped" }])
        const early = request({ asOf: asOfAt(60) })
        const tooFew = yield* Effect.flip(trainings.train(timeFrame, early, () => Effect.void))
        expect(tooFew.message).toMatch(/The ppo was not trained: the history of the run has too few bars: 61/)
        expect(trainings.metrics()).toMatchObject([{ state: "failed" }])
      }),
    60_000
  )
})

describe("a policy that is shown to be better", () => {
  it.live(
    "than the Q-table and the base rate votes in its place, until one does that is better still",
    () =>
      Effect.gen(function* () {
        const world = simulated({ seed: 7, count: 3_000, instruments: 3 })
        const { policies, trainings } = made(world)
        const ids = world.instruments.map(({ id }) => id)
        const of = { instruments: ids, asOf: asOfAt(2_999) }
        const long = (yield* trainedWith(trainings, { ...of, steps: 60_000 })).at(-1)
        if (long?._tag !== "Trained") throw new Error("it was not trained")
        expect(long).toMatchObject({ isDeployed: true, isServing: true })
        expect(metricOf(long, "q-table-difference-high")).toBeLessThan(0)
        expect(metricOf(long, "base-difference-high")).toBeLessThan(0)
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(long.version)
        expect(policies.deployments.get(serving)?.previous).toBe(tableVersion)

        // On the forecasts that are judged a short training has come to more here.
        const short = (yield* trainedWith(trainings, { ...of, steps: 2_048, seed: 2 })).at(-1)
        if (short?._tag !== "Trained") throw new Error("it was not trained")
        const isBetter = metricOf(short, "log-loss") < metricOf(long, "log-loss")
        expect({ isBetter, isServing: short.isServing }).toEqual({ isBetter: true, isServing: true })
        expect(policies.deployments.get(serving)).toMatchObject({
          version: short.version,
          previous: long.version
        })
      }),
    120_000
  )
})

describe("a training", () => {
  it.live(
    "replaces what was made of the version before it while it went on, and is one trial",
    () =>
      Effect.gen(function* () {
        const { manager, policies, trainings, trials } = made()
        yield* trainedWith(trainings)
        const { publish } = manager
        const first = policies.deployments.get(alias)
        // The registry has another version than this agent knows of.
        manager.publish = (fitted, parent) =>
          Effect.tap(publish(fitted, parent), () =>
            Effect.orDie(
              manager.activate(alias, tableVersion, first ?? null, { since: asOf, reason: "other" })
            )
          )
        const last = (yield* trainedWith(trainings, { seed: 2 })).at(-1)
        if (last?._tag !== "Trained") throw new Error("it was not trained")
        expect(policies.deployments.get(alias)).toMatchObject({
          version: last.version,
          previous: tableVersion
        })

        const [one, two] = trials
        expect(trials).toHaveLength(2)
        expect(one?.id).not.toBe(two?.id)
        expect(Either.isRight(Schema.decodeUnknownEither(Trial)(two))).toBe(true)
        expect(two).toMatchObject({ kind: "policy-ppo", timeFrame, sharpe: null })
        expect(two?.data.to).toBe(asOf)
        expect(two?.observations).toBe(metricOf(last, "held-out"))
        expect(two?.meta).toContainEqual({ name: "log-loss", value: metricOf(last, "log-loss") })
        const again = made()
        yield* trainedWith(again.trainings)
        expect(again.trials).toEqual([one])
      }),
    60_000
  )

  it.live("that was tried is not tried again at once, whatever became of it, in this life or the next", () =>
    Effect.gen(function* () {
      const { policies, trainings } = made()
      expect(trainings.lastTry("ppo", timeFrame)).toBeUndefined()
      const early = asOfAt(60)
      yield* Effect.flip(quietly(trainings.train(timeFrame, request({ asOf: early }), () => Effect.void)))
      expect(trainings.lastTry("ppo", timeFrame)).toBe(early)
      expect(trainings.lastTry("dqn", timeFrame)).toBeUndefined()
      yield* trainedWith(trainings)
      expect(trainings.lastTry("ppo", timeFrame)).toBe(asOf)
      const next = made()
      for (const manifest of policies.manifests.values())
        next.policies.manifests.set(manifest.digest, manifest)
      expect(next.trainings.lastTry("ppo", timeFrame)).toBe(asOf)
    })
  )
})
