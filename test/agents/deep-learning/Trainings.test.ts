import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Option, type Scheduler, Scope } from "effect"
import type { DeepState } from "../../../src/agents/deep-learning/DeepLearner.ts"
import {
  champion,
  learnedTo,
  modelOfKind,
  networkAlias,
  noneDeployed,
  servingAlias
} from "../../../src/agents/deep-learning/Deployed.ts"
import type { Context } from "../../../src/agents/deep-learning/history.ts"
import { compareMatured, recalibration } from "../../../src/agents/deep-learning/review.ts"
import { makeTrainings } from "../../../src/agents/deep-learning/Trainings.ts"
import type { TrainingRequest } from "../../../src/agents/deep-learning/trainOnHistory.ts"
import type { Made } from "../../../src/agents/trainer/frames.ts"
import { barsBeforeOf, inputSchema } from "../../../src/agents/training/ModelInput.ts"
import { questionBarsBefore } from "../../../src/agents/training/QuestionRows.ts"
import type { Voter } from "../../../src/agents/voter/Addition.ts"
import type { Fitted } from "../../../src/agents/voter/Learner.ts"
import { emitLinear } from "../../../src/learning/LinearOpinion.ts"
import { evaluateScore } from "../../../src/learning/OpinionModel.ts"
import type { Calibrator } from "../../../src/learning/ScoreCalibrator.ts"
import { ArtefactRefused, DeploymentConflict, NotReady } from "../../../src/protocols/errors.ts"
import type { Deployment, ModelManifest } from "../../../src/protocols/Model.ts"
import type { NetworkModel, TrainingEvent } from "../../../src/protocols/Prediction.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { BusUnavailable } from "../../../src/protocols/wire/errors.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "../../learning/opinions.ts"
import { bundled } from "../../support/bundle.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { asOfAt, instrumentOf, timeFrame } from "../feedEvents.ts"
import { activated, manifestOf, published } from "../model-manager/manifests.ts"
import { settingsWith } from "../settings.ts"
import { artefactOfAll, input, trainedOnAll } from "../training/models.ts"
import { contextOf } from "./context.ts"
import {
  asOf,
  bars,
  calibratedAs,
  fittedTo,
  horizonBars,
  instruments,
  lately,
  network,
  right,
  rows,
  run,
  saidBy,
  settings,
  since,
  sureOf
} from "./outcomes.ts"

const lstmAlias = networkAlias("lstm", timeFrame)
const serving = servingAlias(timeFrame)
const linearNames = inputSchema({ kind: "closes", lags: 3 })
const linearOf = (name: string, calibrator: Calibrator) => {
  const random = keyedRandom("linear", name)
  const columns = linearNames.names.length
  return emitLinear({
    means: new Float64Array(columns),
    deviations: new Float64Array(columns).fill(1),
    coefficients: Float64Array.from({ length: columns }, () => 0.1 * random.normal()),
    intercept: 0,
    calibrator,
    featureNames: linearNames.names,
    featureSchemaVersion: linearNames.version
  })
}

const skewed = sureOf(right, "sell", 2.5)

const anyLinear = linearOf("before", randomCalibrator(keyedRandom("any")))
const linearRight = fittedTo((await saidBy(anyLinear)).score, rows)
const linearBefore = linearOf("before", linearRight)
const linearNow = linearOf("now", linearRight)

interface Version {
  readonly artefact: Uint8Array
  readonly manifest: ModelManifest
}
const versionOf = (artefact: Uint8Array, changes: Partial<ModelManifest> = {}): Version => ({
  artefact,
  manifest: manifestOf("any", {
    digest: sha256(artefact),
    bytes: artefact.byteLength,
    kind: "network-lstm",
    horizonBars,
    features: inputSchema(input),
    fittedAsOf: since,
    ...changes
  })
})
const deploymentOf = (alias: string, version: Version, changes: Partial<Deployment> = {}): Deployment => ({
  alias,
  version: version.manifest.digest,
  previous: null,
  share: 1,
  since,
  reason: "it was better",
  ...changes
})
/** A network that looks at some instruments together, one of which is followed nowhere. */
const lost = instrumentOf("LOST").id
const unaskedWith = (changes: Partial<ModelManifest> = {}) => {
  const ids = [...instruments.map(({ id }) => id), lost]
  const artefact = artefactOfAll({ ...trainedOnAll, data: { ...trainedOnAll.data, instruments: ids } })
  return versionOf(artefact, { kind: "network-gru", ...changes })
}
const before = versionOf(linearBefore, { kind: "linear" })
const now = versionOf(linearNow, { kind: "linear" })

let script = ""
let trainer = ""
let directory = ""
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  const inScope = <A>(made: Effect.Effect<A, never, Scope.Scope>) =>
    Effect.runPromise(Scope.extend(made, scope))
  script = await inScope(bundled("src/agents/model-host/main.ts"))
  trainer = await inScope(bundled("test/agents/deep-learning/standInTrainer.ts"))
  directory = await inScope(temporaryDirectory)
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

interface Given {
  readonly network?: Version
  /** Whether the network votes: since when, and in whose place. */
  readonly votes?: Partial<Deployment>
  readonly deployment?: Partial<Deployment>
  readonly changes?: Parameters<typeof settingsWith>[0]
  readonly context?: Context
}

/** Trainings beside a model manager in memory, which takes what it is given as the real one does. */
const trainingsOf = (given: Given = {}) => {
  const artefacts = new Map([before, now].map(({ artefact, manifest }) => [manifest.digest, artefact]))
  const active = new Map<string, Deployment>()
  const deployed = noneDeployed()
  const publications: Array<ModelManifest> = []
  const activations: Array<Deployment> = []
  const manager = {
    fetch: (digest: string) =>
      Effect.suspend(() => {
        const bytes = artefacts.get(digest)
        return bytes === undefined
          ? Effect.fail(new ArtefactRefused({ digest, reason: "it is not there" }))
          : Effect.succeed(bytes)
      }),
    publish: ({ artefact, manifest }: Fitted, parent: string | null) =>
      Effect.sync(() => {
        const digest = sha256(artefact)
        const whole: ModelManifest = { ...manifest, digest, bytes: artefact.byteLength, parent }
        artefacts.set(digest, artefact)
        publications.push(whole)
        return whole
      }),
    activate: (
      alias: string,
      version: string,
      expected: Deployment | null,
      why: { readonly since: number; readonly reason: string }
    ) =>
      Effect.suspend(() => {
        const previous = active.get(alias)?.version ?? null
        if (previous !== (expected?.version ?? null)) {
          return Effect.fail(
            new DeploymentConflict({ alias, expected: expected?.version ?? null, active: previous })
          )
        }
        const deployment: Deployment = { alias, version, previous, share: 1, ...why }
        active.set(alias, deployment)
        activations.push(deployment)
        return Effect.succeed(deployment)
      }),
    active: (alias: string) => Effect.sync(() => active.get(alias) ?? null)
  }
  const linear = deploymentOf("deep-learning/linear/1h", now)
  const { asked, context } = contextOf(bars)
  const trainings = makeTrainings({
    voter: {
      paceMs: () => null,
      state: () => ({ windows: { instruments, windows: new Map() } }),
      active: () => linear,
      artefacts: manager,
      context: given.context ?? context
    } as unknown as Voter<DeepState>,
    settings: settingsWith(given.changes),
    deployed,
    directory,
    enter: () => Effect.void,
    programs: {
      root: "/nowhere",
      modelHost: script,
      sentimentHost: "/nowhere",
      trainingHost: "/nowhere",
      trainer
    }
  })
  if (given.network !== undefined) {
    const { artefact, manifest } = given.network
    artefacts.set(manifest.digest, artefact)
    const all = [deploymentOf(lstmAlias, given.network, given.deployment)]
    if (given.votes !== undefined) all.push(deploymentOf(serving, given.network, given.votes))
    trainings.onModels(published(manifest))
    for (const deployment of all) {
      active.set(deployment.alias, deployment)
      trainings.onModels(activated(deployment.version, deployment))
    }
  }
  const ofServing = () => activations.filter(({ alias }) => alias === serving)
  /** By somebody else; the agent is told by the models' stream, unless it is not. */
  const deployElsewhere = (alias: string, version: Version, isTold = true) =>
    Effect.gen(function* () {
      artefacts.set(version.manifest.digest, version.artefact)
      const why = { since: asOf, reason: "it is newer" }
      const deployment = yield* Effect.orDie(
        manager.activate(alias, version.manifest.digest, active.get(alias) ?? null, why)
      )
      if (!isTold) return
      trainings.onModels(published(version.manifest))
      trainings.onModels(activated(deployment.version, deployment))
    })
  const activeOf = (alias: string) => active.get(alias)?.version
  return {
    ...{ trainings, deployed, publications, activations, ofServing, artefacts, asked },
    ...{ manager, deployElsewhere, activeOf }
  }
}

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Logger.remove(Logger.defaultLogger))

/** What a review comes to, by the answers of the artefacts themselves. */
const compared = async (votes: Uint8Array, other: Uint8Array) => {
  const found = await Effect.runPromise(
    compareMatured(await saidBy(votes), await saidBy(other), rows, { horizonBars, seed: run.seed })
  )
  if (found === undefined) throw new Error("there are too few outcomes")
  return found
}

describe("a network that votes", () => {
  const judged = (artefact: Uint8Array, given: Given = {}, at = asOf) =>
    Effect.gen(function* () {
      const made = trainingsOf({
        network: versionOf(artefact),
        votes: { previous: before.manifest.digest },
        ...given
      })
      yield* quietly(made.trainings.review(timeFrame, at))
      return made
    })

  it.live("goes where its opinions are worse than those of what voted before it", () =>
    Effect.gen(function* () {
      const artefact = calibratedAs(network, skewed)
      const { deployed, ofServing } = yield* judged(artefact)
      const expected = yield* Effect.promise(() => compared(artefact, linearBefore))
      expect(expected.isWorse).toBe(true)
      expect(ofServing()).toEqual([
        {
          alias: serving,
          version: now.manifest.digest,
          previous: sha256(artefact),
          share: 1,
          since: asOf,
          reason: `on ${rows.rows} matured outcomes its log loss ${expected.serving.toFixed(4)} is higher than the ${expected.before.toFixed(4)} of what voted before`
        }
      ])
      // It is known before it comes back from the journal.
      expect(champion(deployed, timeFrame)).toBeUndefined()
    })
  )

  it.live("is judged beside the linear forecaster of now, where nothing is known to have voted before", () =>
    Effect.gen(function* () {
      const artefact = calibratedAs(network, skewed)
      const { ofServing } = yield* judged(artefact, { votes: { previous: null } })
      const expected = yield* Effect.promise(() => compared(artefact, linearNow))
      expect(ofServing()[0]?.reason).toContain(`${expected.before.toFixed(4)} of what voted before`)
    })
  )

  it.live("is judged beside the linear forecaster of now, where what voted before can be asked nothing", () =>
    Effect.gen(function* () {
      const artefact = calibratedAs(network, skewed)
      const gone = unaskedWith()
      const made = trainingsOf({ network: versionOf(artefact), votes: { previous: gone.manifest.digest } })
      made.artefacts.set(gone.manifest.digest, gone.artefact)
      yield* quietly(made.trainings.review(timeFrame, asOf))
      const expected = yield* Effect.promise(() => compared(artefact, linearNow))
      expect(made.ofServing()[0]?.reason).toContain(`${expected.before.toFixed(4)} of what voted before`)
    })
  )

  it.live("goes where it can be asked nothing any more", () =>
    Effect.gen(function* () {
      const gone = unaskedWith({ kind: "network-lstm" })
      const made = trainingsOf({ network: gone, votes: { previous: before.manifest.digest } })
      yield* quietly(made.trainings.review(timeFrame, asOf))
      expect(made.ofServing()).toMatchObject([
        {
          version: now.manifest.digest,
          since: asOf,
          reason: `the model looks at 3 instruments together, and ${lost} is not followed here`
        }
      ])
      expect(champion(made.deployed, timeFrame)).toBeUndefined()
    })
  )

  it.live("stays where it is as good, and where nothing is known of it yet", () =>
    Effect.gen(function* () {
      const artefact = calibratedAs(network, right)
      const good = yield* judged(artefact)
      const expected = yield* Effect.promise(() => compared(artefact, linearBefore))
      expect(expected.isWorse).toBe(false)
      expect(good.ofServing()).toEqual([])
      expect(champion(good.deployed, timeFrame)?.deployment.version).toBe(sha256(artefact))
      // It is wrong, and too little of that has matured since it votes.
      const soon = yield* judged(calibratedAs(network, skewed), {}, asOfAt(240))
      expect(soon.ofServing()).toEqual([])
      const late = yield* judged(calibratedAs(network, skewed), {
        votes: { previous: before.manifest.digest, since: asOfAt(470) }
      })
      expect(late.ofServing()).toEqual([])
    })
  )

  it.live("goes where it is no worse than that, and both are worse than the base rate by too much", () =>
    Effect.gen(function* () {
      const artefact = calibratedAs(network, sureOf(right, "sell", 1.5))
      const other = versionOf(linearOf("before", sureOf(linearRight, "sell", 1.5)), { kind: "linear" })
      const expected = yield* Effect.promise(() => compared(artefact, other.artefact))
      const excess = expected.serving - expected.baseRate
      expect(expected.isWorse).toBe(false)
      expect(excess).toBeGreaterThan(settings.models.rollbackThreshold)
      const beside = (rollbackThreshold: number) =>
        Effect.gen(function* () {
          const made = trainingsOf({
            network: versionOf(artefact),
            votes: { previous: other.manifest.digest },
            changes: { "models.rollbackThreshold": rollbackThreshold }
          })
          made.artefacts.set(other.manifest.digest, other.artefact)
          yield* quietly(made.trainings.review(timeFrame, asOf))
          return made.ofServing()
        })
      const allowed = settings.models.rollbackThreshold
      expect(yield* beside(allowed)).toMatchObject([
        {
          version: now.manifest.digest,
          since: asOf,
          reason: `on ${rows.rows} matured outcomes its log loss exceeds the base rate's by ${excess.toFixed(4)}, ${allowed} is allowed`
        }
      ])
      // What is allowed stays.
      expect(yield* beside(excess + 0.001)).toEqual([])
    })
  )
})

describe("a review of a network", () => {
  const drifted = versionOf(calibratedAs(network, skewed))

  it.live("gives it another calibrator where its own has drifted, and nothing else", () =>
    Effect.gen(function* () {
      const { activations, artefacts, deployed, publications, trainings } = trainingsOf({
        network: drifted
      })
      yield* trainings.review(timeFrame, asOf)
      const answers = yield* Effect.promise(() => saidBy(drifted.artefact))
      const expected = yield* recalibration(answers, rows)
      if (expected === undefined) throw new Error("its calibrator is right")
      expect(publications).toHaveLength(1)
      const [manifest] = publications as [ModelManifest]
      const { after, before: was, calibrator, outcomes } = expected
      expect(manifest).toMatchObject({
        kind: "network-lstm",
        parent: drifted.manifest.digest,
        fittedAsOf: asOf,
        data: drifted.manifest.data
      })
      const metrics = new Map(manifest.metrics.map(({ name, value }) => [name, value]))
      expect(manifest.metrics.map(({ name }) => name)).toEqual([
        ...drifted.manifest.metrics.map(({ name }) => name),
        learnedTo,
        "matured-outcomes",
        "matured-log-loss",
        "matured-log-loss-before"
      ])
      expect([metrics.get(learnedTo), metrics.get("matured-outcomes")]).toEqual([since, rows.rows])
      expect(metrics.get("matured-log-loss")).toBeCloseTo(after, 6)
      expect(metrics.get("matured-log-loss-before")).toBeCloseTo(was, 6)
      expect(activations).toEqual([
        {
          alias: lstmAlias,
          version: manifest.digest,
          previous: drifted.manifest.digest,
          share: 1,
          since: asOf,
          reason: `calibrated on ${outcomes} matured outcomes: log loss ${after.toFixed(4)} after ${was.toFixed(4)}`
        }
      ])
      expect(deployed.deployments.get(lstmAlias)).toEqual(activations[0])
      expect(deployed.manifests.get(manifest.digest)).toEqual(manifest)

      const said = yield* Effect.promise(() => saidBy(artefacts.get(manifest.digest) as Uint8Array))
      expect(said.score).toEqual(answers.score)
      said.score.forEach((score, i) => {
        const question = { sigma: rows.sigma[i] as number, band: rows.band[i] as number }
        const { buy, hold, sell } = evaluateScore(calibrator, score, question).probabilities
        const got = said.probabilities.subarray(3 * i, 3 * i + 3)
        for (const [k, p] of [sell, hold, buy].entries()) expect(got[k]).toBeCloseTo(p, 4)
        expect(Math.abs((got[0] as number) - (answers.probabilities[3 * i] as number))).toBeGreaterThan(0.1)
      })

      // The same outcomes have nothing more to say.
      yield* trainings.review(timeFrame, asOf)
      expect([publications.length, activations.length]).toEqual([1, 1])
    })
  )

  it.live("leaves one alone whose calibrator is right", () =>
    Effect.gen(function* () {
      const { activations, publications, trainings } = trainingsOf({
        network: versionOf(calibratedAs(network, lately))
      })
      yield* trainings.review(timeFrame, asOf)
      expect([publications, activations]).toEqual([[], []])
    })
  )

  it.live("has the network that votes go on voting, with its new calibrator", () =>
    Effect.gen(function* () {
      // Wrong, and still no worse than what voted before it.
      const wrong = versionOf(calibratedAs(network, sureOf(right, "sell", 0.3)))
      const other = versionOf(linearOf("before", sureOf(linearRight, "sell", 2.5)), { kind: "linear" })
      const votes = { previous: other.manifest.digest }
      const { activations, artefacts, deployed, ofServing, publications, trainings } = trainingsOf({
        network: wrong,
        votes
      })
      artefacts.set(other.manifest.digest, other.artefact)
      yield* quietly(trainings.review(timeFrame, asOf))
      expect(ofServing()).toEqual([])
      expect(activations.map(({ alias }) => alias)).toEqual([lstmAlias])
      expect(deployed.deployments.get(serving)?.version).toBe(wrong.manifest.digest)
      expect(champion(deployed, timeFrame)).toMatchObject({ manifest: publications[0], since: asOf })
    })
  )

  it.live("of one that was calibrated anew looks at all that has matured since its network had learned", () =>
    Effect.gen(function* () {
      const metrics = [
        ...drifted.manifest.metrics,
        { name: learnedTo, value: since },
        { name: "matured-outcomes", value: 1 },
        { name: "matured-log-loss", value: 1 },
        { name: "matured-log-loss-before", value: 1 }
      ]
      const { publications, trainings } = trainingsOf({
        network: versionOf(drifted.artefact, { metrics, fittedAsOf: asOfAt(400) }),
        deployment: { since: asOfAt(400) }
      })
      yield* trainings.review(timeFrame, asOf)
      const found = publications[0]?.metrics ?? []
      expect(found.map(({ name }) => name)).toEqual(metrics.map(({ name }) => name))
      expect(found.find(({ name }) => name === learnedTo)?.value).toBe(since)
      expect(found.find(({ name }) => name === "matured-outcomes")?.value).toBe(rows.rows)
    })
  )

  it.live("sees every outcome since, though the network itself needs fewer bars than a question", () =>
    Effect.gen(function* () {
      expect(barsBeforeOf(input)).toBeLessThan(questionBarsBefore)
      const { asked, trainings } = trainingsOf({ network: drifted })
      const at = asOfAt(259)
      yield* trainings.review(timeFrame, at)
      const first = Math.min(...asked.map(({ asOf: to, before = to, count }) => before - count * 3_600_000))
      expect(first).toBeLessThanOrEqual(since - questionBarsBefore * 3_600_000)
    })
  )

  it.live(
    "is asked about the instruments that it looks at together, and about nothing where one is missing",
    () =>
      Effect.gen(function* () {
        const [, other] = instruments.map(({ id }) => id)
        const lookingAt = (...ids: ReadonlyArray<string>) => {
          const data = { ...trainedOnAll.data, instruments: ids }
          return versionOf(artefactOfAll({ ...trainedOnAll, data }))
        }
        const { publications, trainings } = trainingsOf({ network: lookingAt(String(other)) })
        yield* trainings.review(timeFrame, asOf)
        const outcomes = publications[0]?.metrics.find(({ name }) => name === "matured-outcomes")?.value
        expect(outcomes).toBe(rows.instrument.filter((index) => index === 1).length)
        const missing = trainingsOf({ network: lookingAt(String(other), "sim:OTHER:spot") })
        yield* quietly(missing.trainings.review(timeFrame, asOf))
        expect(missing.publications).toEqual([])
      })
  )

  it.live("of other time frames is left to their own, and one that is not there is none", () =>
    Effect.gen(function* () {
      const longer = TimeFrame.make("4h")
      const { asked, publications, trainings } = trainingsOf({
        network: versionOf(drifted.artefact, { timeFrame: longer })
      })
      yield* trainings.review(timeFrame, asOf)
      yield* trainingsOf().trainings.review(timeFrame, asOf)
      expect([asked, publications]).toEqual([[], []])
    })
  )
})

describe("a review that ends too late", () => {
  const newer = versionOf(calibratedAs(network, right), { fittedAsOf: asOf, configuration: "d".repeat(64) })

  it.live("leaves the vote to whoever has come by it meanwhile", () =>
    Effect.gen(function* () {
      const made = trainingsOf({
        network: versionOf(calibratedAs(network, skewed)),
        votes: { previous: before.manifest.digest }
      })
      const { fetch } = made.manager
      let isTaken = false
      made.manager.fetch = (version) =>
        Effect.suspend(() => {
          if (isTaken || version !== before.manifest.digest) return fetch(version)
          isTaken = true
          return Effect.zipRight(made.deployElsewhere(serving, newer), fetch(version))
        })
      yield* quietly(made.trainings.review(timeFrame, asOf))
      expect(isTaken).toBe(true)
      expect(made.activeOf(serving)).toBe(newer.manifest.digest)
      expect(champion(made.deployed, timeFrame)?.deployment.version).toBe(newer.manifest.digest)
    })
  )

  it.live("makes nothing of a network in the place of which another was deployed", () =>
    Effect.gen(function* () {
      const old = versionOf(calibratedAs(network, skewed))
      for (const when of ["fetch", "publish"] as const) {
        const made = trainingsOf({ network: old })
        const { fetch, publish } = made.manager
        const deployed = made.deployElsewhere(lstmAlias, newer)
        if (when === "fetch") {
          made.manager.fetch = (version) =>
            made.activeOf(lstmAlias) === newer.manifest.digest
              ? fetch(version)
              : Effect.zipRight(deployed, fetch(version))
        } else {
          made.manager.publish = (fitted, parent) => Effect.tap(publish(fitted, parent), () => deployed)
        }
        yield* quietly(made.trainings.review(timeFrame, asOf))
        expect([when, made.publications.length]).toEqual([when, when === "fetch" ? 0 : 1])
        expect(made.activeOf(lstmAlias)).toBe(newer.manifest.digest)
        expect(made.deployed.deployments.get(lstmAlias)?.version).toBe(newer.manifest.digest)
      }
    })
  )
})

describe("a network that has just been trained", () => {
  const fittedOf = ({ artefact, manifest }: Version): Fitted => {
    const { bytes: _bytes, digest: _digest, parent: _parent, ...rest } = manifest
    return { artefact, manifest: rest, reason: "it was learned" }
  }
  /** Trains what is given as having been made. */
  const trainedAs = (made: ReturnType<typeof trainingsOf>, version: Version) =>
    Effect.gen(function* () {
      const model = modelOfKind(version.manifest.kind) as NetworkModel
      const folder = join(directory, "training", `${model}-${timeFrame}`)
      mkdirSync(folder, { recursive: true })
      const { artefact, ...fitted } = fittedOf(version)
      const answer: Made = { ...fitted, isBetter: true, heldOutFrom: asOfAt(200) }
      writeFileSync(join(folder, "made.json"), JSON.stringify(answer))
      writeFileSync(join(folder, "artefact"), artefact)
      const told: Array<TrainingEvent> = []
      const request: TrainingRequest = { model, timeFrame, asOf }
      yield* quietly(made.trainings.train(timeFrame, request, (event) => Effect.sync(() => told.push(event))))
      const last = told.at(-1)
      if (last?._tag !== "Trained") throw new Error("it was not trained")
      return last
    })
  const configuration = "d".repeat(64)
  const better = versionOf(calibratedAs(network, sureOf(right, "sell", 0.3)), {
    fittedAsOf: asOf,
    configuration
  })
  const old = versionOf(calibratedAs(network, skewed))

  it.live("takes the vote of one that was worse as it was deployed, whatever that has seen since", () =>
    Effect.gen(function* () {
      const made = trainingsOf({ network: old, votes: { previous: before.manifest.digest } })
      // Its calibrator has learned from what is held out.
      const metrics = [{ name: learnedTo, value: old.manifest.fittedAsOf }]
      const anew = versionOf(calibratedAs(network, right), { metrics, fittedAsOf: asOf })
      yield* made.deployElsewhere(lstmAlias, anew)
      expect(champion(made.deployed, timeFrame)).toMatchObject({
        manifest: { digest: anew.manifest.digest },
        deployment: { version: old.manifest.digest }
      })
      const gru = versionOf(better.artefact, { ...better.manifest, kind: "network-gru" })
      const last = yield* trainedAs(made, gru)
      const expected = { isDeployed: true, isServing: true, reason: "it was learned" }
      expect(last).toMatchObject({ version: gru.manifest.digest, ...expected })
      expect(made.deployed.deployments.get(serving)).toMatchObject({
        version: gru.manifest.digest,
        previous: old.manifest.digest
      })
      // It votes already.
      expect(yield* trainedAs(made, gru)).toMatchObject(expected)
      expect(made.ofServing()).toHaveLength(1)
    })
  )

  it.live("does not take the vote of one that is better, and says so", () =>
    Effect.gen(function* () {
      const made = trainingsOf({ network: better, votes: { previous: before.manifest.digest } })
      const last = yield* trainedAs(made, old)
      expect(last).toMatchObject({ isDeployed: true, isServing: false })
      expect(last.reason).toMatch(
        /^it was learned; it does not vote: on \d+ outcomes the lstm that votes has a log loss of /
      )
      expect(made.ofServing()).toEqual([])
    })
  )

  it.live("takes the vote of one that can be asked nothing here any more", () =>
    Effect.gen(function* () {
      const gone = unaskedWith({ kind: "network-lstm" })
      const made = trainingsOf({ network: gone, votes: { previous: before.manifest.digest } })
      expect(yield* trainedAs(made, old)).toMatchObject({ isDeployed: true, isServing: true })
      expect(made.activeOf(serving)).toBe(old.manifest.digest)
    })
  )

  it.live("does not take the vote of whoever has come by it while they were compared", () =>
    Effect.gen(function* () {
      const made = trainingsOf({ network: old, votes: { previous: before.manifest.digest } })
      const other = versionOf(calibratedAs(network, right), { configuration: "e".repeat(64) })
      const { fetch } = made.manager
      made.manager.fetch = (version) => {
        made.manager.fetch = fetch
        return Effect.zipRight(made.deployElsewhere(serving, other), fetch(version))
      }
      const last = yield* trainedAs(made, better)
      expect(last).toMatchObject({ isDeployed: true, isServing: false })
      expect(last.reason).toContain(`it does not vote: "${serving}" serves ${other.manifest.digest}`)
      expect(made.activeOf(serving)).toBe(other.manifest.digest)
    })
  )

  it.live("votes in the place of the linear forecaster, which is there to go back to", () =>
    Effect.gen(function* () {
      const made = trainingsOf()
      expect(yield* trainedAs(made, better)).toMatchObject({ isDeployed: true, isServing: true })
      expect(made.ofServing()).toMatchObject([
        { version: now.manifest.digest, previous: null },
        { version: better.manifest.digest, previous: now.manifest.digest }
      ])
    })
  )

  it.effect("replaces what was made of the one before it meanwhile, which one that is not new does not", () =>
    Effect.gen(function* () {
      const other = versionOf(calibratedAs(network, right))
      const meanwhile = () => {
        const made = trainingsOf({ network: old })
        const { publish } = made.manager
        made.manager.publish = (fitted, parent) =>
          Effect.tap(publish(fitted, parent), () => made.deployElsewhere(lstmAlias, other, false))
        return made
      }
      const made = meanwhile()
      expect(yield* made.trainings.deploy(fittedOf(better))).toBe(true)
      expect(made.deployed.deployments.get(lstmAlias)).toMatchObject({
        version: better.manifest.digest,
        previous: other.manifest.digest
      })
      const shipped = meanwhile()
      expect((yield* Effect.flip(shipped.trainings.deploy(fittedOf(better), 0)))._tag).toBe(
        "DeploymentConflict"
      )
      expect(shipped.activeOf(lstmAlias)).toBe(other.manifest.digest)
    })
  )
})

/** A context whose bars come once it is let go; each that waits is told of. */
const heldContext = () => {
  const gate = Effect.runSync(Deferred.make<void, BusUnavailable>())
  const first = Effect.runSync(Deferred.make<void>())
  let calls = 0
  const { context } = contextOf(bars)
  const held = {
    ...context,
    Bars: (question: Parameters<Context["Bars"]>[0]) =>
      Effect.suspend(() => {
        calls++
        return Effect.zipRight(Deferred.succeed(first, undefined), Deferred.await(gate))
      }).pipe(Effect.zipRight(context.Bars(question)))
  } as unknown as Context
  const gone = new BusUnavailable({ agent: "context", call: "Bars", reason: "it is gone" })
  return {
    held,
    calls: () => calls,
    reached: Deferred.await(first),
    letGo: Deferred.succeed(gate, undefined),
    fail: Deferred.fail(gate, gone)
  }
}

describe("a second review", () => {
  it.live("returns at once and does nothing while one is going on", () =>
    Effect.gen(function* () {
      const { calls, held, letGo, reached } = heldContext()
      const { publications, trainings } = trainingsOf({
        network: versionOf(calibratedAs(network, skewed)),
        context: held
      })
      const first = yield* Effect.fork(trainings.review(timeFrame, asOf))
      yield* reached
      expect(Option.isNone(yield* trainings.review(timeFrame, asOf))).toBe(true)
      expect([calls(), first.unsafePoll(), publications]).toEqual([1, null, []])
      yield* letGo
      expect(Option.isSome(yield* Fiber.join(first))).toBe(true)
      expect(publications).toHaveLength(1)
      expect(Option.isSome(yield* trainings.review(timeFrame, asOf))).toBe(true)
    })
  )
})

describe("a training", () => {
  const request: TrainingRequest = { model: "gru", timeFrame, asOf }
  const other: TrainingRequest = { model: "cnn", timeFrame, asOf }
  const nobody = () => Effect.void
  const stepsLooked = 60

  it.live(
    "is refused while another is going on, which it names, and is begun again once that has failed",
    () =>
      Effect.gen(function* () {
        const { calls, fail, held, reached } = heldContext()
        const { trainings } = trainingsOf({ context: held })
        expect(trainings.isBusy()).toBe(false)
        const first = yield* Effect.fork(trainings.train(timeFrame, request, nobody))
        yield* reached
        expect(trainings.isBusy()).toBe(true)
        for (const one of [other, request]) {
          const refused = yield* Effect.flip(trainings.train(timeFrame, one, nobody))
          expect(refused).toEqual(
            new NotReady({ reason: "the gru of 1h is being trained, and there is one at a time" })
          )
        }
        expect(calls()).toBe(1)
        // A refusal is no try.
        expect(trainings.lastTry("cnn", timeFrame)).toBeUndefined()
        expect(trainings.isBusy()).toBe(true)
        yield* fail
        expect((yield* Effect.flip(Fiber.join(first)))._tag).toBe("BusUnavailable")
        expect(trainings.isBusy()).toBe(false)
        const again = yield* Effect.flip(trainings.train(timeFrame, other, nobody))
        expect([again._tag, calls()]).toEqual(["BusUnavailable", 2])
        expect(trainings.lastTry("cnn", timeFrame)).toBe(asOf)
      })
  )

  it.live("is begun again once the one before was interrupted", () =>
    Effect.gen(function* () {
      const { calls, fail, held, reached } = heldContext()
      const { trainings } = trainingsOf({ context: held })
      const first = yield* Effect.fork(trainings.train(timeFrame, request, nobody))
      yield* reached
      yield* Fiber.interrupt(first)
      expect(trainings.isBusy()).toBe(false)
      const second = yield* Effect.fork(trainings.train(timeFrame, request, nobody))
      yield* fail
      expect((yield* Effect.flip(Fiber.join(second)))._tag).toBe("BusUnavailable")
      expect(calls()).toBe(2)
    })
  )

  it("keeps no other from being begun, at whatever step it was interrupted", () => {
    const { calls, held } = heldContext()
    const { trainings } = trainingsOf({ context: held })
    for (let at = 1; at <= stepsLooked; at++) {
      const tasks: Array<() => void> = []
      let steps = 0
      const scheduler: Scheduler.Scheduler = {
        // Once, to let the interruption in.
        shouldYield: () => (++steps === at ? 0 : false),
        scheduleTask: (task) => tasks.push(task)
      }
      const fiber = Effect.runFork(trainings.train(timeFrame, request, nobody), { scheduler })
      tasks.shift()?.()
      fiber.unsafeInterruptAsFork(fiber.id())
      for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
      expect([at, fiber.unsafePoll()?._tag, trainings.isBusy()]).toEqual([at, "Failure", false])
    }
    // Some of them had asked for bars by then.
    expect(calls()).toBeGreaterThan(0)
  })

  it.effect("was tried last at the latest as-of that it was deployed with or begun at", () =>
    Effect.gen(function* () {
      const { fail, held } = heldContext()
      yield* fail
      const { trainings } = trainingsOf({ context: held })
      const last = () => trainings.lastTry("lstm", timeFrame)
      const tryAt = (changes: Partial<TrainingRequest>) =>
        Effect.flip(trainings.train(timeFrame, { model: "lstm", timeFrame, asOf, ...changes }, nobody))
      expect(last()).toBeUndefined()
      // Of another time frame it is another network; the same length is the same, however it is written.
      yield* tryAt({ timeFrame: TimeFrame.make("4h") })
      expect(last()).toBeUndefined()
      yield* tryAt({ timeFrame: TimeFrame.make("60m"), asOf: asOfAt(150) })
      expect(last()).toBe(asOfAt(150))
      const { artefact, manifest } = versionOf(network)
      const { bytes, digest, parent, ...rest } = manifest
      const fitted: Fitted = { artefact, manifest: rest, reason: "it was learned" }
      expect(yield* trainings.deploy(fitted, 0)).toBe(true)
      expect(last()).toBe(asOfAt(150))
      const later = { ...fitted, artefact: calibratedAs(network, right) }
      expect(yield* trainings.deploy(later)).toBe(true)
      expect(last()).toBe(since)
      yield* tryAt({ asOf: asOfAt(300) })
      expect(last()).toBe(asOfAt(300))
      expect(trainings.lastTry("gru", timeFrame)).toBeUndefined()
    })
  )

  it("was tried last when its network had learned, however often it was calibrated anew", () => {
    const metrics = [{ name: learnedTo, value: since }]
    const { trainings } = trainingsOf({
      network: versionOf(network, { metrics, fittedAsOf: asOf }),
      deployment: { since: asOf }
    })
    expect(trainings.lastTry("lstm", timeFrame)).toBe(since)
  })
})
