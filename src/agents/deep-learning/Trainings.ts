/**
 * Trains, deploys and reviews the networks of the agent, one at a time.
 *
 * A network is deployed under its own name whenever the model manager takes it. It votes in the place of the linear
 * forecaster only after it was shown to be better on what was held out: the 95% intervals of its loss differences to the
 * linear forecaster and to the base rate lie below zero, and no network that votes already does better on the same rows.
 * On matured outcomes calibrators are learned again, and a network that has become worse than what voted before it, or
 * than the base rate by more than is allowed, votes no longer.
 *
 * What can go wrong: everything that can go wrong with a training; what serves serves on.
 */
import { Effect, Either } from "effect"
import { logLosses } from "../../learning/evaluation/ClassMetrics.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { ArtefactRefused, NotReady } from "../../protocols/errors.ts"
import type { Deployment } from "../../protocols/Model.ts"
import type { NetworkModel, TrainingEvent } from "../../protocols/Prediction.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { Settings } from "../Settings.ts"
import { runRowsOf } from "../training/evaluateModel.ts"
import { checkModel } from "../training/ModelFile.ts"
import { barsBeforeOf, type ModelInput } from "../training/ModelInput.ts"
import { loadModel, startModelRun } from "../training/ModelRun.ts"
import { questionBarsBefore } from "../training/QuestionRows.ts"
import type { Voter } from "../voter/Addition.ts"
import type { Fitted } from "../voter/Learner.ts"
import type { DeepState } from "./DeepLearner.ts"
import {
  champion,
  type Deployed,
  evolveDeployed,
  learnedTo,
  modelOfKind,
  networkAlias,
  networkDeployment,
  servingAlias
} from "./Deployed.ts"
import { type Haste, history } from "./history.ts"
import {
  askMatured,
  compareMatured,
  maturedRows,
  type Recalibration,
  type Reviewed,
  recalibratedVersion,
  recalibration,
  whyDismissed
} from "./review.ts"
import {
  type HistoryTrained,
  type TrainingPlace,
  type TrainingRequest,
  trainOnHistory
} from "./trainOnHistory.ts"

/** Questions that a review looks at, of all instruments together: the latest. */
const reviewRowsMax = 4_000
export interface TrainingParts {
  readonly voter: Voter<DeepState>
  readonly settings: Settings
  readonly deployed: Deployed
  readonly directory: string
  readonly programs: TrainingPlace["programs"]
}

type Tell = (event: TrainingEvent) => Effect.Effect<unknown>

export const makeTrainings = ({ deployed, directory, programs, settings, voter }: TrainingParts) => {
  const { artefacts, context } = voter
  const { costs, models, orchestrator, run } = settings
  const modelHost = {
    script: programs.modelHost,
    memoryBytesMax: models.hostMemoryBytesMax,
    runMsMax: models.runMsMax
  }
  const oneReview = Effect.unsafeMakeSemaphore(1)
  let going: TrainingRequest | undefined
  /** As-of of the latest try at each network of the feed's time frame. */
  const tried = new Map<NetworkModel, number>()

  /** What was done is known before it comes back from the journal. */
  const note = (deployment: Deployment) => {
    deployed.deployments.set(deployment.alias, deployment)
    return deployment
  }

  /** In lock-step the bars wait for it; else others are to be answered meanwhile. */
  const hasteOf = (): Haste => (voter.paceMs() === null ? "asked" : "beside")

  const place = (own: TimeFrame): TrainingPlace => ({
    settings,
    context,
    own,
    directory,
    programs,
    haste: hasteOf(),
    instruments: voter.state().windows.instruments
  })

  const publish = (fitted: Fitted, parent: string | null) =>
    Effect.map(artefacts.publish(fitted, parent), (manifest) => {
      deployed.manifests.set(manifest.digest, manifest)
      return manifest
    })

  /** Deploys a network under its own name; false where the model manager refuses it. */
  const deploy = (fitted: Fitted, since?: number) =>
    Effect.gen(function* () {
      const { kind, timeFrame } = fitted.manifest
      const model = modelOfKind(kind)
      if (model === undefined) return false
      const active = networkDeployment(deployed, model, timeFrame)
      const { digest, fittedAsOf } = yield* publish(fitted, active?.version ?? null)
      const why = { since: since ?? fittedAsOf, reason: fitted.reason }
      return yield* artefacts.activate(networkAlias(model, timeFrame), digest, active ?? null, why).pipe(
        Effect.map(note),
        Effect.as(true),
        Effect.catchTag("ArtefactRefused", (refused) => Effect.as(Effect.logInfo(refused.message), false))
      )
    })

  const vote = (timeFrame: TimeFrame, version: string, since: number, reason: string) =>
    Effect.map(
      artefacts.activate(
        servingAlias(timeFrame),
        version,
        deployed.deployments.get(servingAlias(timeFrame)) ?? null,
        { since, reason: truncateReason(reason) }
      ),
      note
    )

  /** How a version sees bars, and how many rows of them at a time. */
  const reviewedAs = (artefact: Uint8Array): Either.Either<Omit<Reviewed, "ask">, ArtefactRefused> =>
    Either.gen(function* () {
      const refused = (reason: string) => new ArtefactRefused({ digest: sha256(artefact), reason })
      const { input, trained } = yield* Either.mapLeft(checkModel(artefact), refused)
      if (input === undefined) return yield* Either.left(refused("it cannot see bars"))
      return { input, rowsMax: runRowsOf({ trained }) }
    })

  /** What a version says of rows that have matured, in a process that answers nobody else. */
  const answersOf = (child: ChildProcess.Child, version: string, rows: Parameters<typeof askMatured>[1]) =>
    Effect.gen(function* () {
      const bytes = yield* artefacts.fetch(version)
      const seen = yield* reviewedAs(bytes)
      const ask = yield* loadModel(child, { bytes, path: version.slice(0, 12) })
      return yield* askMatured({ ...seen, ask }, rows)
    })

  const inputOf = (version: string) =>
    Effect.map(Effect.flatMap(artefacts.fetch(version), reviewedAs), ({ input }) => input)

  /** Whether the network that votes does better on the rows that were held out from a new one. */
  const isOutdone = (trained: HistoryTrained) =>
    Effect.gen(function* () {
      const { horizonBars, timeFrame } = trained.manifest
      const votes = champion(deployed, timeFrame)
      if (votes === undefined || trained.logLoss === null) return false
      const version = votes.manifest.digest
      const { from, instruments } = trained.heldOut
      const barsBefore = barsBeforeOf(yield* inputOf(version))
      const rows = yield* maturedRows(instruments, from - 1, { barsBefore, horizonBars, costs })
      const child = startModelRun(modelHost)
      const { probabilities } = yield* Effect.scoped(
        Effect.flatMap(child, (one) => answersOf(one, version, rows))
      )
      const losses = logLosses(Float64Array.from(probabilities), rows.label, sides.length)
      return Either.isRight(losses) && mean(losses.right) <= trained.logLoss
    })

  const promote = (trained: HistoryTrained, version: string) =>
    Effect.gen(function* () {
      const { fittedAsOf, timeFrame } = trained.manifest
      if (!trained.isBetter || (yield* isOutdone(trained))) return false
      const linear = voter.active()
      const isOwnFrame = linear?.alias.endsWith(`/${timeFrame}`) === true
      if (isOwnFrame && deployed.deployments.get(servingAlias(timeFrame)) === undefined) {
        yield* vote(
          timeFrame,
          linear.version,
          linear.since,
          "the linear forecaster votes until a network does better"
        )
      }
      yield* vote(timeFrame, version, fittedAsOf, trained.reason)
      return true
    })

  /** Nothing comes between the beginning and what ends it: an interruption there would keep all others from beginning. */
  const train = (own: TimeFrame, request: TrainingRequest, tell: Tell) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        if (going !== undefined) {
          const { model, timeFrame } = going
          const reason = `the ${model} of ${timeFrame} is being trained, and there is one at a time`
          return Effect.fail(new NotReady({ reason }))
        }
        going = request
        if (toMs(own) === toMs(request.timeFrame)) tried.set(request.model, request.asOf)
        return Effect.void
      }),
      () =>
        Effect.gen(function* () {
          const trained = yield* trainOnHistory(place(own), request, tell)
          const isDeployed = yield* deploy(trained)
          const version = sha256(trained.artefact)
          const isServing = isDeployed && (yield* promote(trained, version))
          yield* Effect.logInfo(`The ${request.model} of ${request.timeFrame}: ${trained.reason}`)
          const { metrics } = trained.manifest
          yield* tell({ _tag: "Trained", version, metrics, isDeployed, isServing, reason: trained.reason })
        }),
      () =>
        Effect.sync(() => {
          going = undefined
        })
    )

  /** Up to when the network of a version had learned. */
  const learnedToOf = (deployment: Deployment): number => {
    const metrics = deployed.manifests.get(deployment.version)?.metrics ?? []
    return metrics.find(({ name }) => name === learnedTo)?.value ?? deployment.since
  }

  /** The latest bars that questions of a review are made of, and what the models that it asks see before them. */
  const reviewBars = (own: TimeFrame, timeFrame: TimeFrame, asOf: number, barsBefore: number) => {
    const { instruments } = voter.state().windows
    const count = Math.ceil(reviewRowsMax / Math.max(1, instruments.length)) + barsBefore + 1
    return Effect.forEach(instruments, (instrument) =>
      history(context, { instrument, own, timeFrame, asOf }, count, hasteOf())
    )
  }

  const barsBeforeAll = (inputs: ReadonlyArray<ModelInput>): number =>
    inputs.reduce((most, input) => Math.max(most, barsBeforeOf(input)), questionBarsBefore)

  const rowsSince = (series: ReadonlyArray<BarSeries>, since: number, ...inputs: ReadonlyArray<ModelInput>) =>
    maturedRows(series, since, {
      barsBefore: barsBeforeAll(inputs),
      horizonBars: orchestrator.horizonBars,
      costs
    })

  /** A network with a calibrator that was learned from what has matured since it was trained. */
  const calibrateAnew = (
    child: ChildProcess.Child,
    series: ReadonlyArray<BarSeries>,
    deployment: Deployment,
    asOf: number
  ) =>
    Effect.gen(function* () {
      const { alias, version } = deployment
      const manifest = deployed.manifests.get(version)
      if (manifest === undefined) return
      const since = learnedToOf(deployment)
      const rows = yield* rowsSince(series, since, yield* inputOf(version))
      if (rows.rows === 0) return
      const better: Recalibration | undefined = yield* recalibration(
        yield* answersOf(child, version, rows),
        rows
      )
      if (better === undefined) return
      const before = { artefact: yield* artefacts.fetch(version), manifest }
      const fitted = recalibratedVersion(before, better, { since, asOf })
      if (fitted === undefined) return
      const next = yield* publish(fitted, version)
      const why = { since: asOf, reason: fitted.reason }
      yield* Effect.map(artefacts.activate(alias, next.digest, deployment, why), note)
    })

  /** The network that votes, beside what voted before it; it goes where it has become worse. */
  const judgeChampion = (
    child: ChildProcess.Child,
    series: ReadonlyArray<BarSeries>,
    timeFrame: TimeFrame,
    asOf: number
  ) =>
    Effect.gen(function* () {
      const votes = champion(deployed, timeFrame)
      const linear = voter.active()
      if (votes === undefined || linear === null) return
      // Since it votes, beside what voted before: of its calibrators only the latest may have seen some of these rows.
      const { previous, since } = votes.deployment
      const version = votes.manifest.digest
      const before = previous ?? linear.version
      const rows = yield* rowsSince(series, since, yield* inputOf(version), yield* inputOf(before))
      if (rows.rows === 0) return
      const compared = yield* compareMatured(
        yield* answersOf(child, version, rows),
        yield* answersOf(child, before, rows),
        rows,
        { horizonBars: orchestrator.horizonBars, seed: run.seed }
      )
      if (compared === undefined) return
      const reason = whyDismissed(compared, models.rollbackThreshold)
      if (reason === undefined) return
      yield* Effect.logWarning(`The network ${version.slice(0, 12)} votes no longer: ${reason}`)
      yield* vote(timeFrame, linear.version, asOf, reason)
    })

  /** What keeps one from being looked at keeps no other. */
  const alone = <E extends { readonly message: string }>(what: string, review: Effect.Effect<void, E>) =>
    Effect.catchAll(review, (error) => Effect.logWarning(`${what} was not reviewed: ${error.message}`))

  return {
    train,
    deploy,
    isBusy: () => going !== undefined,
    lastTry: (model: NetworkModel, own: TimeFrame) => {
      const deployment = networkDeployment(deployed, model, own)
      const learned = deployment === undefined ? Number.NEGATIVE_INFINITY : learnedToOf(deployment)
      const last = Math.max(learned, tried.get(model) ?? Number.NEGATIVE_INFINITY)
      return Number.isFinite(last) ? last : undefined
    },
    /** All networks of the feed's time frame. One that is still going on when the next is due does for it. */
    review: (own: TimeFrame, asOf: number) =>
      oneReview.withPermitsIfAvailable(1)(
        Effect.scoped(
          Effect.gen(function* () {
            const ours = [...deployed.deployments.values()].filter(
              ({ version }) => deployed.manifests.get(version)?.timeFrame === own
            )
            if (ours.length === 0) return
            const inputs = yield* Effect.forEach(ours, ({ version }) => Effect.option(inputOf(version)))
            const barsBefore = barsBeforeAll(
              inputs.flatMap((input) => (input._tag === "Some" ? [input.value] : []))
            )
            const series = yield* reviewBars(own, own, asOf, barsBefore)
            const child = yield* startModelRun(modelHost)
            yield* alone("The network that votes", judgeChampion(child, series, own, asOf))
            for (const deployment of ours) {
              if (deployment.alias === servingAlias(own)) continue
              yield* alone(deployment.alias, calibrateAnew(child, series, deployment, asOf))
            }
          })
        )
      ),
    /** What the models' stream says. */
    onModels: (event: Parameters<typeof evolveDeployed>[1]) => {
      evolveDeployed(deployed, event)
    }
  }
}

export type Trainings = ReturnType<typeof makeTrainings>
