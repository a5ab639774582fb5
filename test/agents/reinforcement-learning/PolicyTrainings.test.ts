import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Either, Exit, Fiber, Logger, Scope } from "effect"
import type { Context } from "../../../src/agents/deep-learning/history.ts"
import { recalibrated } from "../../../src/agents/deep-learning/review.ts"
import {
  champion,
  noPolicies,
  policyAlias,
  servingAlias
} from "../../../src/agents/reinforcement-learning/Policies.ts"
import { makePolicyReviews } from "../../../src/agents/reinforcement-learning/PolicyReviews.ts"
import {
  makePolicyTrainings,
  type PolicyRequest,
  type PolicyTrainingParts
} from "../../../src/agents/reinforcement-learning/PolicyTrainings.ts"
import { qTableLearner } from "../../../src/agents/reinforcement-learning/QTableLearner.ts"
import { readTrainedPolicy } from "../../../src/agents/training/policies/TrainedPolicy.ts"
import type { Fitted } from "../../../src/agents/voter/Learner.ts"
import type { Calibrator } from "../../../src/learning/ScoreCalibrator.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { ArtefactRefused, DeploymentConflict, NotReady } from "../../../src/protocols/errors.ts"
import type { Deployment } from "../../../src/protocols/Model.ts"
import type { PolicyTrainingEvent } from "../../../src/protocols/Strategy.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { bundled } from "../../support/bundle.ts"
import { contextOf } from "../deep-learning/context.ts"
import { asOfAt, type Simulated, simulated, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"

const settings = settingsWith({ "models.runMsMax": 60_000 })
const { events, instruments } = simulated({ seed: 11, count: 700, world: "efficient" })
const trainedAt = 499
const asOf = asOfAt(trainedAt)
const alias = policyAlias("ppo", timeFrame)
const serving = servingAlias(timeFrame)

const learner = qTableLearner(settings)
const table = runThrough(
  learner.fit(events.slice(0, trainedAt + 1).reduce(learner.evolve, learner.initial()))
) as Fitted
const tableVersion = sha256(table.artefact)
const tableDeployment: Deployment = {
  ...{ alias: `reinforcement-learning/q-table/${timeFrame}`, version: tableVersion, previous: null },
  ...{ share: 1, since: asOf, reason: "it was there" }
}

const scope = Effect.runSync(Scope.make())
let programs = { root: "", modelHost: "", trainer: "" }
beforeAll(async () => {
  const script = (entry: string) => Effect.runPromise(Scope.extend(bundled(entry), scope))
  programs = {
    root: "/nowhere",
    modelHost: await script("src/agents/model-host/main.ts"),
    trainer: await script("src/agents/trainer/main.ts")
  }
}, 60_000)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Trainings beside a model manager in memory, which takes what it is given as the real one does. */
const made = (of: Pick<Simulated, "events" | "instruments"> = { events, instruments }) => {
  const artefacts = new Map([[tableVersion, table.artefact]])
  const active = new Map<string, Deployment>()
  const policies = noPolicies()
  const fetch = (digest: string) => {
    const bytes = artefacts.get(digest)
    return bytes === undefined
      ? Effect.fail(new ArtefactRefused({ digest, reason: "it is not there" }))
      : Effect.succeed(bytes)
  }
  const manager = {
    fetch,
    publish: ({ artefact, manifest }: Fitted, parent: string | null) =>
      Effect.sync(() => {
        const digest = sha256(artefact)
        artefacts.set(digest, artefact)
        return { ...manifest, digest, bytes: artefact.byteLength, parent }
      }),
    activate: (name: string, version: string, expected: Deployment | null, why: object) => {
      const previous = active.get(name)?.version ?? null
      if (previous !== (expected?.version ?? null)) {
        const was = expected?.version ?? null
        return Effect.fail(new DeploymentConflict({ alias: name, expected: was, active: previous }))
      }
      const deployment = { alias: name, version, previous, share: 1, ...why } as Deployment
      active.set(name, deployment)
      return Effect.succeed(deployment)
    }
  }
  const parts = {
    voter: {
      paceMs: () => null,
      state: () => ({ windows: { instruments: of.instruments, windows: new Map() } }),
      active: () => tableDeployment,
      artefacts: manager,
      context: contextOf(of.events.flatMap(({ payload }) => payload.bars)).context satisfies Context
    },
    ...{ settings, policies, programs },
    describe: (version: string) =>
      Effect.map(fetch(version), (artefact) => Either.getOrThrow(readTrainedPolicy(artefact)))
  } as unknown as PolicyTrainingParts
  const trainings = makePolicyTrainings(parts)
  return { trainings, reviews: makePolicyReviews(parts, trainings), policies, artefacts }
}

const request = (changes: Partial<PolicyRequest> = {}): PolicyRequest => ({
  ...{ algorithm: "ppo", timeFrame, asOf, steps: 4_096, seed: 1 },
  instruments: instruments.map(({ id }) => id),
  ...changes
})
const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Logger.remove(Logger.defaultLogger))

const trainedWith = (trainings: ReturnType<typeof made>["trainings"], changes: Partial<PolicyRequest> = {}) =>
  Effect.gen(function* () {
    const told: Array<PolicyTrainingEvent> = []
    const tell = (event: PolicyTrainingEvent) => Effect.sync(() => told.push(event))
    yield* quietly(trainings.train(timeFrame, request(changes), tell))
    return told
  })

describe("the trainings of policies", () => {
  it.live(
    "make a policy of the bars up to the as-of, which can be asked and does not vote in a world without an edge",
    () =>
      Effect.gen(function* () {
        const { artefacts, policies, trainings } = made()
        const told = yield* trainedWith(trainings)
        const last = told.at(-1)
        if (last?._tag !== "Trained") throw new Error("it was not trained")
        expect(last).toMatchObject({ isDeployed: true, isServing: false })
        expect(policies.deployments.get(alias)).toMatchObject({ version: last.version, since: asOf })
        expect(champion(policies, timeFrame)).toBeUndefined()
        const artefact = artefacts.get(last.version) as Uint8Array
        const { data } = Either.getOrThrow(readTrainedPolicy(artefact))
        expect(data.knownTo).toBeLessThanOrEqual(asOf)
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
    "than the Q-table and the base rate votes in its place, until one that is not better is trained beside it",
    () =>
      Effect.gen(function* () {
        const world = simulated({ seed: 7, count: 3_000, instruments: 3 })
        const { policies, trainings } = made(world)
        const ids = world.instruments.map(({ id }) => id)
        const of = { instruments: ids, asOf: asOfAt(2_999) }
        const last = (yield* trainedWith(trainings, { ...of, steps: 60_000 })).at(-1)
        if (last?._tag !== "Trained") throw new Error("it was not trained")
        expect(last).toMatchObject({ isDeployed: true, isServing: true })
        const of95 = (name: string) => last.metrics.find((metric) => metric.name === name)?.value
        expect(of95("q-table-difference-high")).toBeLessThan(0)
        expect(of95("base-difference-high")).toBeLessThan(0)
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(last.version)
        expect(policies.deployments.get(serving)?.previous).toBe(tableVersion)
        const short = (yield* trainedWith(trainings, { ...of, steps: 2_048, seed: 2 })).at(-1)
        expect(short).toMatchObject({ _tag: "Trained", isServing: false })
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(last.version)
      }),
    120_000
  )
})

describe("the reviews of policies", () => {
  it.live(
    "calibrate anew what has become wrong, and take its vote",
    () =>
      Effect.gen(function* () {
        const { artefacts, policies, reviews, trainings } = made()
        yield* trainedWith(trainings)
        const good = policies.manifests.get(policies.deployments.get(alias)?.version ?? "")
        if (good === undefined) throw new Error("it was not deployed")
        const { bytes: _bytes, digest, parent: _parent, ...manifest } = good
        const flat = { intercept: 0, score: 0, band: 0 }
        const skewed: Calibrator = {
          ...{ outcomes: 100, sell: { ...flat, intercept: 2.5 }, buy: flat },
          ...{ scoreMax: 10, logBandMin: -3, logBandMax: 3, slope: 0, residualDeviation: 1 }
        }
        const artefact = recalibrated(artefacts.get(digest) as Uint8Array, skewed) as Uint8Array
        const bad = yield* trainings.publish({ artefact, manifest, reason: "skewed" }, digest)
        yield* trainings.activate(alias, bad.digest, asOf, "skewed")
        yield* trainings.vote(timeFrame, bad.digest, asOf, "skewed")
        expect(champion(policies, timeFrame)?.manifest.digest).toBe(bad.digest)

        yield* quietly(reviews.review(timeFrame, asOfAt(699)))
        expect(champion(policies, timeFrame)).toBeUndefined()
        expect(policies.deployments.get(serving)).toMatchObject({
          version: tableVersion,
          previous: bad.digest,
          reason: expect.stringMatching(/^on \d+ matured outcomes its log loss /)
        })
        const now = policies.deployments.get(alias)
        expect(now?.reason).toMatch(/^calibrated on \d+ matured outcomes: log loss \d\.\d+ after \d\.\d+$/)
        expect(policies.manifests.get(now?.version ?? "")).toMatchObject({
          parent: bad.digest,
          fittedAsOf: asOfAt(699),
          metrics: expect.arrayContaining([{ name: "learned-to", value: asOf }])
        })
      }),
    60_000
  )
})
