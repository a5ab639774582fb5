/**
 * Trains, deploys and reviews the networks of the agent, one at a time.
 *
 * A network is deployed under its own name whenever the model manager takes it. It votes in the place of the linear
 * forecaster only after it was shown to be better on what was held out: the 95% intervals of its loss differences to the
 * linear forecaster and to the base rate lie below zero, and no network that votes already does better (`NetworkContest.ts`).
 * On matured outcomes calibrators are learned again, and a network that has become worse than what voted before it, or
 * than the base rate by more than is allowed, votes no longer; nor does one that can answer nothing that is asked here.
 *
 * What can go wrong: everything that can go wrong with a training; what serves serves on.
 * Invariant: a review is about what served when it began. Where something else serves by its end, it changes nothing.
 */
import { Effect, Either } from "effect"
import type { BarSeries } from "../../market/BarSeries.ts"
import { ArtefactRefused, NotReady } from "../../protocols/errors.ts"
import type { Deployment } from "../../protocols/Model.ts"
import type { NetworkModel, TrainingEvent } from "../../protocols/Prediction.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type * as ChildProcess from "../../runtime/ChildProcess.ts"
import type { Settings } from "../Settings.ts"
import { barsBeforeOf, type ModelInput } from "../training/ModelInput.ts"
import { startModelRun } from "../training/ModelRun.ts"
import { type QuestionRows, questionBarsBefore } from "../training/QuestionRows.ts"
import type { EnterTraining } from "../training/trainingTrial.ts"
import type { Voter } from "../voter/Addition.ts"
import { makeDeployments, tooLate } from "../voter/Deployments.ts"
import type { DeepState } from "./DeepLearner.ts"
import {
  type Champion,
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
import { whyNotBetter } from "./NetworkContest.ts"
import { describedBy, whyNothing } from "./NetworkDescription.ts"
import {
  compareMatured,
  maturedRows,
  type Recalibration,
  recalibratedVersion,
  recalibration,
  seriesSeenBy,
  whyDismissed
} from "./review.ts"
import { answersOfNetwork, reviewedAs } from "./reviewAnswers.ts"
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
  readonly enter: EnterTraining
}

type Tell = (event: TrainingEvent) => Effect.Effect<unknown>

export const makeTrainings = ({ deployed, directory, enter, programs, settings, voter }: TrainingParts) => {
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

  const followed = () => voter.state().windows.instruments

  /** In lock-step the bars wait for it; else others are to be answered meanwhile. */
  const hasteOf = (): Haste => (voter.paceMs() === null ? "asked" : "beside")

  const placeOf = (own: TimeFrame): TrainingPlace => ({
    settings,
    context,
    own,
    directory,
    programs,
    haste: hasteOf(),
    instruments: followed()
  })

  const { activate, deploy, place, publish, vote } = makeDeployments({
    ...{ voter, manifests: deployed.manifests, deployments: deployed.deployments, servingAlias },
    aliasOf: (kind, timeFrame) => {
      const model = modelOfKind(kind)
      return model === undefined ? undefined : networkAlias(model, timeFrame)
    },
    untilBetter: "the linear forecaster votes until a network does better"
  })

  const seenBy = (version: string) => Effect.flatMap(artefacts.fetch(version), reviewedAs)

  const answersOf = (child: ChildProcess.Child, version: string, rows: QuestionRows) =>
    Effect.flatMap(artefacts.fetch(version), (artefact) => answersOfNetwork(child, artefact, rows))

  /** Why a new network is not to vote in the place of one that does; undefined where it may. */
  const whyNotPromote = (trained: HistoryTrained) =>
    Effect.gen(function* () {
      const votes = champion(deployed, trained.manifest.timeFrame)
      if (votes === undefined) return undefined
      const artefact = yield* artefacts.fetch(votes.deployment.version)
      const name = `the ${modelOfKind(votes.manifest.kind)} that votes`
      return yield* whyNotBetter(trained, { artefact, name }, { costs, modelHost, followed: followed() })
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
          const trained = yield* trainOnHistory(placeOf(own), request, tell)
          yield* enter(trained, trained.heldOut.from)
          const placed = yield* place(trained, trained.isBetter, whyNotPromote(trained))
          yield* Effect.logInfo(`The ${request.model} of ${request.timeFrame}: ${placed.reason}`)
          const { metrics } = trained.manifest
          yield* tell({ _tag: "Trained", version: sha256(trained.artefact), metrics, ...placed })
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
    const instruments = followed()
    const count = Math.ceil(reviewRowsMax / Math.max(1, instruments.length)) + barsBefore + 1
    return Effect.forEach(instruments, (instrument) =>
      history(context, { instrument, own, timeFrame, asOf }, count, hasteOf())
    )
  }

  const barsBeforeAll = (inputs: ReadonlyArray<ModelInput>): number =>
    inputs.reduce((most, input) => Math.max(most, barsBeforeOf(input)), questionBarsBefore)

  /** What has matured since an instant, of what all of some versions can be asked about. */
  const rowsSince = (series: ReadonlyArray<BarSeries>, since: number, ...versions: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const seen = yield* Effect.forEach(versions, seenBy)
      const refused = (reason: string) => new ArtefactRefused({ digest: versions[0] ?? "", reason })
      const asked = yield* Either.mapLeft(seriesSeenBy(series, seen), refused)
      const barsBefore = barsBeforeAll(seen.map(({ input }) => input))
      return yield* maturedRows(asked, since, { barsBefore, horizonBars: orchestrator.horizonBars, costs })
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
      const rows = yield* rowsSince(series, since, version)
      if (rows.rows === 0) return
      const better: Recalibration | undefined = yield* recalibration(
        yield* answersOf(child, version, rows),
        rows
      )
      if (better === undefined) return
      const before = { artefact: yield* artefacts.fetch(version), manifest }
      const fitted = recalibratedVersion(before, better, { since, asOf })
      if (fitted === undefined) return
      if (deployed.deployments.get(alias)?.version !== version) return yield* tooLate(alias)
      const next = yield* publish(fitted, version)
      yield* activate(alias, next.digest, deployment, { since: asOf, reason: fitted.reason })
    })

  /** What votes beside what voted before it, since it votes; undefined where too little has matured. */
  const beside = (
    child: ChildProcess.Child,
    series: ReadonlyArray<BarSeries>,
    { deployment, manifest: { digest } }: Champion,
    before: string
  ) =>
    Effect.gen(function* () {
      // Of its calibrators only the latest may have seen some of these rows.
      const rows = yield* rowsSince(series, deployment.since, digest, before)
      if (rows.rows === 0) return undefined
      return yield* compareMatured(
        yield* answersOf(child, digest, rows),
        yield* answersOf(child, before, rows),
        rows,
        { horizonBars: orchestrator.horizonBars, seed: run.seed }
      )
    })

  /** Why what votes has done worse than it may; undefined where it has not, or too little has matured. */
  const whyWorse = (
    child: ChildProcess.Child,
    series: ReadonlyArray<BarSeries>,
    votes: Champion,
    linear: string
  ) =>
    Effect.gen(function* () {
      const before = votes.deployment.previous ?? linear
      const besideLinear = beside(child, series, votes, linear)
      const compared = yield* before === linear
        ? besideLinear
        : Effect.catchAll(beside(child, series, votes, before), ({ message }) =>
            Effect.zipRight(
              Effect.logWarning(`What voted before could not be asked: ${message}`),
              besideLinear
            )
          )
      return compared === undefined ? undefined : whyDismissed(compared, models.rollbackThreshold)
    })

  /**
   * The network that votes goes where it can answer nothing any more, or has become worse than what voted before it: than the
   * linear forecaster of now where that cannot be asked about the same.
   */
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
      const { deployment } = votes
      const version = votes.manifest.digest
      const refused = (reason: string) => new ArtefactRefused({ digest: version, reason })
      const described = yield* Either.mapLeft(describedBy(yield* artefacts.fetch(version)), refused)
      const reason =
        whyNothing(described, { horizonBars: orchestrator.horizonBars, timeFrame }, followed()) ??
        (yield* whyWorse(child, series, votes, linear.version))
      if (reason === undefined) return
      if (champion(deployed, timeFrame)?.manifest.digest !== version) return yield* tooLate(deployment.alias)
      yield* Effect.logWarning(`The network ${version.slice(0, 12)} votes no longer: ${reason}`)
      yield* vote(timeFrame, linear.version, deployment, { since: asOf, reason })
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
            const seen = yield* Effect.forEach(ours, ({ version }) => Effect.option(seenBy(version)))
            const barsBefore = barsBeforeAll(
              seen.flatMap((one) => (one._tag === "Some" ? [one.value.input] : []))
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
