/** Trainings, contests and reviews of policies beside a model manager and a context in memory, with real processes. */
import { afterAll, beforeAll } from "@effect/vitest"
import { Effect, Either, Exit, Logger, Scope } from "effect"
import type { Context } from "../../../src/agents/deep-learning/history.ts"
import { recalibrated } from "../../../src/agents/deep-learning/review.ts"
import { noPolicies, policyAlias, servingAlias } from "../../../src/agents/reinforcement-learning/Policies.ts"
import { makePolicyContest } from "../../../src/agents/reinforcement-learning/PolicyContest.ts"
import { makePolicyReviews } from "../../../src/agents/reinforcement-learning/PolicyReviews.ts"
import {
  makePolicyTrainings,
  type PolicyRequest,
  type PolicyTrainingParts
} from "../../../src/agents/reinforcement-learning/PolicyTrainings.ts"
import { qTableLearner } from "../../../src/agents/reinforcement-learning/QTableLearner.ts"
import type { Settings } from "../../../src/agents/Settings.ts"
import { readTrainedPolicy } from "../../../src/agents/training/policies/TrainedPolicy.ts"
import { trainingTrial } from "../../../src/agents/training/trainingTrial.ts"
import type { Fitted } from "../../../src/agents/voter/Learner.ts"
import type { Trial } from "../../../src/learning/evaluation/Trials.ts"
import type { Calibrator } from "../../../src/learning/ScoreCalibrator.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { ArtefactRefused, DeploymentConflict } from "../../../src/protocols/errors.ts"
import type { InstrumentId } from "../../../src/protocols/Instrument.ts"
import type { Deployment } from "../../../src/protocols/Model.ts"
import type { PolicyTrainingEvent } from "../../../src/protocols/Strategy.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { bundled } from "../../support/bundle.ts"
import { contextOf } from "../deep-learning/context.ts"
import { asOfAt, type Simulated, simulated, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"

export const settings = settingsWith({ "models.runMsMax": 60_000 })
export const { events, instruments } = simulated({ seed: 11, count: 700, world: "efficient" })
const trainedAt = 499
export const asOf = asOfAt(trainedAt)
export const alias = policyAlias("ppo", timeFrame)
export const serving = servingAlias(timeFrame)

const learner = qTableLearner(settings)
const table = runThrough(
  learner.fit(events.slice(0, trainedAt + 1).reduce(learner.evolve, learner.initial()))
) as Fitted
export const tableVersion = sha256(table.artefact)
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

/** What outlives a life of the agent. */
const newRegistry = () => ({
  artefacts: new Map([[tableVersion, table.artefact]]),
  active: new Map<string, Deployment>(),
  policies: noPolicies()
})

/** Trainings beside a model manager in memory, which takes what it is given as the real one does. */
export const made = (
  changes: Partial<
    Pick<Simulated, "events" | "instruments"> & {
      readonly settings: Settings
      readonly registry: ReturnType<typeof newRegistry>
    }
  > = {}
) => {
  const of = { events, instruments, settings, registry: newRegistry(), ...changes }
  const { active, artefacts, policies } = of.registry
  const trials: Array<Trial> = []
  const fetch = (digest: string): Effect.Effect<Uint8Array, ArtefactRefused> => {
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
    },
    active: (name: string) => Effect.sync(() => active.get(name) ?? null)
  }
  const told = contextOf(of.events.flatMap(({ payload }) => payload.bars))
  const parts = {
    voter: {
      paceMs: () => null,
      state: () => ({ windows: { instruments: of.instruments, windows: new Map() } }),
      active: () => tableDeployment,
      artefacts: manager,
      context: told.context satisfies Context
    },
    ...{ settings: of.settings, policies, programs },
    describe: (version: string) =>
      Effect.map(fetch(version), (artefact) => Either.getOrThrow(readTrainedPolicy(artefact))),
    enter: (trained: Pick<Fitted, "manifest">, from: number) =>
      Effect.sync(() => trials.push(trainingTrial(trained, from, 0)))
  } as unknown as PolicyTrainingParts
  const trainings = makePolicyTrainings(parts)
  const { bars, modelHost } = trainings
  const { costs, orchestrator } = of.settings
  const contest = makePolicyContest(
    bars.isFollowed,
    { costs, horizonBars: orchestrator.horizonBars },
    modelHost
  )
  const reviews = makePolicyReviews(parts, trainings)
  return {
    ...{ trainings, reviews, contest, bars, modelHost, manager, policies, artefacts, trials },
    ...{ registry: of.registry, asked: told.asked }
  }
}

export const request = (changes: Partial<PolicyRequest> = {}): PolicyRequest => ({
  ...{ algorithm: "ppo", timeFrame, asOf, steps: 4_096, seed: 1 },
  instruments: instruments.map(({ id }) => id),
  ...changes
})
export const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Logger.remove(Logger.defaultLogger))

export const trainedWith = (
  trainings: ReturnType<typeof made>["trainings"],
  changes: Partial<PolicyRequest> = {}
) =>
  Effect.gen(function* () {
    const told: Array<PolicyTrainingEvent> = []
    const tell = (event: PolicyTrainingEvent) => Effect.sync(() => told.push(event))
    yield* quietly(trainings.train(timeFrame, request(changes), tell))
    return told
  })

const flat = { intercept: 0, score: 0, band: 0 }
/** One that is wrong. */
export const skewedCalibrator: Calibrator = {
  ...{ outcomes: 100, sell: { ...flat, intercept: 2.5 }, buy: flat },
  ...{ scoreMax: 10, logBandMin: -3, logBandMax: 3, slope: 0, residualDeviation: 1 }
}

/**
 * A version whose forecasts are wrong, made of the latest of a registry.
 * @param learnedTo as-of up to which a version had learned that this one is calibrated anew of
 */
export const skewedVersion = (
  { artefacts, policies, trainings }: ReturnType<typeof made>,
  { intercept = 2.5, learnedTo }: { readonly intercept?: number; readonly learnedTo?: number } = {}
) =>
  Effect.suspend(() => {
    const good = policies.manifests.get(policies.deployments.get(alias)?.version ?? "")
    if (good === undefined) throw new Error("it was not deployed")
    const { bytes: _bytes, digest, parent: _parent, ...manifest } = good
    const calibrator = { ...skewedCalibrator, sell: { ...flat, intercept } }
    const artefact = recalibrated(artefacts.get(digest) as Uint8Array, calibrator) as Uint8Array
    const known = learnedTo === undefined ? [] : [{ name: "learned-to", value: learnedTo }]
    const metrics = [...manifest.metrics, ...known]
    return trainings.publish({ artefact, manifest: { ...manifest, metrics }, reason: "skewed" }, digest)
  })

/** A policy of some instruments votes, and then, in its place, a skewed one of all: the versions of both. */
export const skewedAfter = (run: ReturnType<typeof made>, wanted: ReadonlyArray<InstrumentId>) =>
  Effect.gen(function* () {
    const { policies, trainings } = run
    const why = { since: asOf, reason: "for comparison" }
    const voteFor = (version: string) =>
      trainings.vote(timeFrame, version, policies.deployments.get(serving), why)
    yield* trainedWith(trainings, { instruments: wanted })
    const before = policies.deployments.get(alias)?.version ?? ""
    yield* voteFor(before)
    yield* trainedWith(trainings, { seed: 2 })
    const bad = yield* skewedVersion(run)
    yield* voteFor(bad.digest)
    return { bad: bad.digest, before }
  })
