/**
 * The deep-learning agent: a voter whose linear forecaster is the bar, and networks beside it that have to clear it. It
 * votes as every voter does, predicts by model and time frame on request and at an interval, and trains networks on what
 * the context has kept: on schedule and on request.
 *
 * What can go wrong with a network never keeps the agent from voting: a training that fails is told in the log and tried
 * again when the next is due, a model that cannot be run has others to stand in for it.
 *
 * In lock-step nothing of it goes by the clock: scheduled trainings are off unless configured, and where they are on the
 * bars wait for them; rows are run as they are asked for, and nothing is published at an interval.
 */
import { Effect, FiberSet, Mailbox, Schedule, Stream } from "effect"
import type { BarsEvent } from "../../protocols/Bar.ts"
import { NotReady, TrainingNotDone } from "../../protocols/errors.ts"
import type { ModelEvent } from "../../protocols/Model.ts"
import type { Question } from "../../protocols/Opinion.ts"
import type { NetworkModel, TrainingEvent } from "../../protocols/Prediction.ts"
import { DeepLearningControlRpcs, DeepLearningRpcs } from "../../protocols/rpc/DeepLearningRpcs.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { epochZero, truncateReason } from "../../protocols/wire/Ids.ts"
import { Bus } from "../../runtime/Bus.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import * as Topic from "../../runtime/Topic.ts"
import * as RowRuns from "../model-host/RowRuns.ts"
import { enveloped, NodeContext, serveAgent } from "../NodeContext.ts"
import { Programs } from "../Programs.ts"
import type { Settings } from "../Settings.ts"
import { predictionsTopic } from "../topics.ts"
import { enterTraining } from "../training/trainingTrial.ts"
import { type AnswerError, type Answering, orUnavailable, type Voter } from "../voter/Addition.ts"
import { makeBarsIn } from "../voter/barsIn.ts"
import { orInternal as orInternalOf } from "../voter/orInternal.ts"
import { quietly } from "../voter/quietly.ts"
import { shippedModels } from "../voter/shipped.ts"
import * as VoterAgent from "../voter/VoterAgent.ts"
import { barsKept, windowSeries } from "./BarWindows.ts"
import { type DeepState, deepLearner } from "./DeepLearner.ts"
import { modelOfKind, networkDeployment, noneDeployed, standingsOf } from "./Deployed.ts"
import { contextReached, frameOf, history } from "./history.ts"
import { makeNetworkAnswering } from "./NetworkAnswers.ts"
import { makeNetworkVoting } from "./NetworkVoting.ts"
import { makePredicting } from "./Predicting.ts"
import { dueModel, hasSchedule } from "./schedule.ts"
import { makeTrainings } from "./Trainings.ts"

const name = "deep-learning"
/** Events of a training that wait for whoever asked for it; the oldest give way. */
const eventsMax = 1_024

/** Between two pieces of scheduled work of a paced run: at least so long, and so many times what the last one took. */
const restMsMin = 60_000
const restShare = 4

/** What is asked of a model to have its session made and its first run behind it. */
const warmUpQuestion = { sigma: 0.01, band: 0.01 }

const orInternal = orInternalOf(name)

const addNetworks = (settings: Settings) => (voter: Voter<DeepState>) =>
  Effect.gen(function* () {
    const { directory, run } = yield* NodeContext
    const programs = yield* Programs
    const bus = yield* Bus
    const { artefacts, context, host, known, runs } = voter
    const { deepLearning, models, orchestrator } = settings
    const now = yield* monotonicMs
    const beside = yield* FiberSet.make()
    /** When scheduled work may begin again, by the monotonic clock. */
    let restsUntil = 0
    const deployed = noneDeployed()
    let feedFrame: TimeFrame | null = null
    const own = (): TimeFrame | null => feedFrame ?? deepLearner(settings).timeFrame(voter.state())
    const isLockStep = () => voter.paceMs() === null

    const seriesOf = (question: Question, count: number) =>
      Effect.gen(function* () {
        yield* known.reached(Math.min(question.asOf, known.current()))
        const frame = own()
        const { windows } = voter.state()
        const instrument = windows.instruments.find(({ id }) => id === question.instrument)
        if (frame === null || instrument === undefined) return undefined
        const isOwn = toMs(frame) === toMs(question.timeFrame)
        const held = isOwn ? windowSeries(windows, instrument.id, frame, question.asOf, count) : undefined
        if (held !== undefined) return held
        // Of the latest bars nobody has more than what is held here, unless it is more than is held.
        if (isOwn && question.asOf >= known.current() && count <= barsKept) return undefined
        yield* contextReached(context, Math.min(question.asOf, known.current()))
        const { asOf, timeFrame } = question
        return yield* history(context, { instrument, own: frame, timeFrame, asOf }, count).pipe(
          Effect.catchTag("TimeFrameUnfit", () => Effect.succeed(undefined))
        )
      })

    const networks = makeNetworkAnswering<AnswerError>({
      fetch: artefacts.fetch,
      run: (asked, rows) => (isLockStep() ? RowRuns.runRows(host, asked, rows) : runs.ask(asked, rows)),
      seriesOf,
      barsIn: makeBarsIn(voter, own),
      followed: () => voter.state().windows.instruments
    })
    const isOwn = (timeFrame: TimeFrame) => {
      const frame = own()
      return frame !== null && toMs(frame) === toMs(timeFrame)
    }
    const voting = makeNetworkVoting({
      deployed: () => deployed,
      networks,
      linear: voter.answering,
      linearActive: voter.active,
      isOwn,
      known
    })
    const predicting = makePredicting({ voter, settings, own, voting, seriesOf })
    const enter = enterTraining(settings)
    const trainings = makeTrainings({ voter, settings, deployed, directory, programs, enter })

    const warm = (version: string, columns: number) =>
      RowRuns.runRows(host, { version, artefact: artefacts.fetch(version), more: [] }, [
        { features: new Float32Array(columns), ...warmUpQuestion }
      ]).pipe(
        Effect.catchAll((error) => Effect.logDebug(`${version.slice(0, 12)} is not warm: ${error.message}`)),
        FiberSet.run(beside)
      )

    const deployShipped = (timeFrame: TimeFrame) =>
      Effect.gen(function* () {
        const place = { root: programs.root, folder: models.shippedPath }
        const wanted = { voter: name, timeFrame, horizonBars: orchestrator.horizonBars }
        for (const fitted of yield* shippedModels(place, wanted)) {
          const model = modelOfKind(fitted.manifest.kind)
          if (model === undefined || networkDeployment(deployed, model, timeFrame) !== undefined) continue
          yield* trainings.deploy(fitted, 0)
        }
      })

    /** What is due at an as-of. */
    const dueWork = (timeFrame: TimeFrame, asOf: number, index: number) => {
      const { networks, refitEveryBars, train, trainBarsMin, trainEveryBars } = deepLearning
      if (!hasSchedule(train, voter.paceMs()) || trainings.isBusy()) return undefined
      // The warm-up goes as fast as it can, and has no time for them.
      if (voter.isWarmUp() || (!isLockStep() && now() < restsUntil)) return undefined
      const due = dueModel(
        { models: networks, everyBars: trainEveryBars, barsMin: trainBarsMin },
        { seen: index + 1, asOf, frameMs: toMs(timeFrame) },
        (model) => trainings.lastTry(model, timeFrame)
      )
      const isReviewDue = (index + 1) % refitEveryBars === 0 && deployed.manifests.size > 0
      if (due === undefined && !isReviewDue) return undefined
      return Effect.gen(function* () {
        yield* contextReached(context, asOf)
        if (isReviewDue) yield* quietly("A review of the networks", trainings.review(timeFrame, asOf))
        if (due === undefined) return
        const request = { model: due, timeFrame, asOf }
        yield* quietly(
          `The training of the ${due}`,
          trainings.train(timeFrame, request, () => Effect.void)
        )
      })
    }

    const onBars = (event: BarsEvent) =>
      Effect.gen(function* () {
        if (event.type === "FeedOpened") {
          feedFrame = event.payload.timeFrame
          const deploying = quietly("The deployment of shipped networks", deployShipped(feedFrame))
          // They vote for nothing yet: a paced run does not wait for them.
          yield* isLockStep() ? deploying : FiberSet.run(beside, deploying)
        }
        if (event.type !== "BarsClosed") return
        feedFrame = event.payload.timeFrame
        const work = dueWork(feedFrame, event.payload.asOf, event.payload.index)
        if (work === undefined) return
        if (isLockStep()) {
          yield* quietly("What was due", work)
          return
        }
        // However fast the bars come, most of the time belongs to those who ask.
        const began = now()
        restsUntil = Number.POSITIVE_INFINITY
        const rest = Effect.sync(() => {
          const ended = now()
          restsUntil = ended + Math.max(restMsMin, restShare * (ended - began))
        })
        yield* FiberSet.run(beside, Effect.ensuring(quietly("What was due", work), rest))
      })

    const onModels = (event: ModelEvent) =>
      Effect.gen(function* () {
        trainings.onModels(event)
        if (event.type !== "DeploymentActivated" || isLockStep()) return
        const { alias, version } = event.payload
        if (!alias.startsWith(`${name}/`)) return
        const features = deployed.manifests.get(version)?.features ?? deepLearner(settings).features
        yield* warm(version, features.names.length)
      })

    /** A training that somebody asked for: it ends with their interest in it. */
    const trainFor = (model: NetworkModel, wanted: TimeFrame | undefined) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const frame = own()
          const asOf = known.current()
          if (frame === null || asOf === 0) return yield* new NotReady({ reason: "no bars have arrived yet" })
          const events = yield* Mailbox.make<TrainingEvent, NotReady | TrainingNotDone>({
            capacity: eventsMax,
            strategy: "sliding"
          })
          const request = { model, timeFrame: frameOf(wanted ?? frame, frame), asOf }
          const training = Effect.zipRight(
            contextReached(context, asOf),
            trainings.train(frame, request, (event) => events.offer(event))
          ).pipe(
            Effect.mapError((error) =>
              error._tag === "NotReady" || error._tag === "TrainingNotDone"
                ? error
                : new TrainingNotDone({ model, reason: truncateReason(error.message) })
            )
          )
          yield* Effect.forkScoped(Mailbox.into(training, events))
          return Mailbox.toStream(events)
        })
      )

    /** At the interval, where there is something new to say. */
    const publishing = Effect.gen(function* () {
      let published = 0
      const publish = Effect.gen(function* () {
        const asOf = known.current()
        if (isLockStep() || voter.isWarmUp() || asOf === published) return
        const predictions = yield* predicting.publishable
        published = asOf
        const about = { run, source: name, asOf, subject: "predictions" } as const
        yield* Topic.publish(predictionsTopic, {
          ...enveloped(about, { predictions }),
          epoch: epochZero
        }).pipe(Effect.provideService(Bus, bus))
      })
      yield* Effect.schedule(
        quietly("The publication of predictions", publish),
        Schedule.spaced(deepLearning.predictEveryMs)
      )
    })

    const handlers = (opine: Answering) =>
      DeepLearningRpcs.toLayer({
        Opine: ({ model, questions }) => orUnavailable(name, opine(questions, model)),
        Predict: (request) => orInternal("Predict", predicting.predict(request)),
        Predictions: ({ everyMs, ...request }) =>
          Stream.mapEffect(predicting.stream(request, everyMs), (predict) =>
            orInternal("Predictions", predict)
          ),
        PredictionHistory: ({ from, instrument, limit, to }) =>
          predicting.history(instrument, from, to, limit),
        PredictionSummaries: ({ instruments }) =>
          orInternal("PredictionSummaries", predicting.summaries(instruments)),
        Standings: () =>
          Effect.sync(() => standingsOf(deployed, voter.active(), own(), orchestrator.horizonBars))
      })
    const control = DeepLearningControlRpcs.toLayer({
      Train: ({ model, timeFrame }) => trainFor(model, timeFrame)
    })

    return {
      onBars,
      onModels,
      answering: voting.voting,
      serve: (opine: Answering) =>
        Effect.gen(function* () {
          yield* Effect.provide(serveAgent(DeepLearningRpcs, name), handlers(opine))
          yield* Effect.provide(serveAgent(DeepLearningControlRpcs, name, "control"), control)
          yield* FiberSet.run(beside, publishing)
        })
    }
  })

export const run = (settings: Settings) => VoterAgent.runWith(deepLearner(settings), addNetworks(settings))
