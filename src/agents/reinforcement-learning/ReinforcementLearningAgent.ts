/**
 * The reinforcement-learning agent: a voter whose Q-table is the bar, and deep policies beside it that have to clear it. It
 * votes as every voter does, gives strategies on request, trains policies on what the context has kept, on request and, where
 * that is configured, on schedule, and says how they did on time that they never learned from.
 *
 * What can go wrong with a policy never keeps the agent from voting: a training that fails is told to whoever asked for it, a
 * model that cannot be run has others to stand in for it.
 */
import { Effect, FiberSet, Mailbox, Stream } from "effect"
import type { BarsEvent } from "../../protocols/Bar.ts"
import { EvaluationNotDone, NotReady, type TrainingNotDone } from "../../protocols/errors.ts"
import type { ModelEvent } from "../../protocols/Model.ts"
import {
  ReinforcementLearningControlRpcs,
  ReinforcementLearningRpcs
} from "../../protocols/rpc/ReinforcementLearningRpcs.ts"
import { PolicyAlgorithm, type PolicyTrainingEvent } from "../../protocols/Strategy.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { windowSeries } from "../deep-learning/BarWindows.ts"
import { contextReached, frameOf, history } from "../deep-learning/history.ts"
import { dueModel } from "../deep-learning/schedule.ts"
import * as RowRuns from "../model-host/RowRuns.ts"
import { serveAgent } from "../NodeContext.ts"
import { Programs } from "../Programs.ts"
import { resolveInstrument } from "../resolveInstrument.ts"
import type { Settings } from "../Settings.ts"
import { enterTraining } from "../training/trainingTrial.ts"
import { type AnswerError, type Answering, orUnavailable, type Voter } from "../voter/Addition.ts"
import { makeBarsIn } from "../voter/barsIn.ts"
import { orInternal as orInternalOf } from "../voter/orInternal.ts"
import { quietly } from "../voter/quietly.ts"
import * as VoterAgent from "../voter/VoterAgent.ts"
import { type Windowed, withWindows } from "../voter/WindowedLearner.ts"
import { evolvePolicies, voterName as name, noPolicies, policyDeployment, standingsOf } from "./Policies.ts"
import { makePolicyAnswering, type SeriesAt } from "./PolicyAnswers.ts"
import { makePolicyReviews } from "./PolicyReviews.ts"
import { makePolicyTrainings } from "./PolicyTrainings.ts"
import { makePolicyVoting } from "./PolicyVoting.ts"
import { type QState, qTableLearner } from "./QTableLearner.ts"
import { makeStrategies } from "./Strategies.ts"

/** Events of a training that wait for whoever asked for it; the oldest give way. */
const eventsMax = 1_024

const orInternal = orInternalOf(name)
const isAlgorithm = (policy: string): policy is PolicyAlgorithm =>
  PolicyAlgorithm.literals.some((algorithm) => algorithm === policy)

export const policyLearner = (settings: Settings) => withWindows(qTableLearner(settings))

const addPolicies = (settings: Settings) => (voter: Voter<Windowed<QState>>) =>
  Effect.gen(function* () {
    const programs = yield* Programs
    const { artefacts, context, host, known, runs } = voter
    const { reinforcementLearning: rl, run: seeded } = settings
    const beside = yield* FiberSet.make()
    const policies = noPolicies()
    const own = (): TimeFrame | null => voter.state().own.timeFrame
    const listed = () => voter.state().windows.instruments
    const isLockStep = () => voter.paceMs() === null

    const seriesAt: SeriesAt<AnswerError> = (id, timeFrame, asOf, count) =>
      Effect.gen(function* () {
        const { windows } = voter.state()
        const frame = own()
        const instrument = windows.instruments.find((one) => one.id === id)
        if (frame === null || instrument === undefined) return undefined
        const isOwn = toMs(frame) === toMs(timeFrame)
        const held = isOwn ? windowSeries(windows, id, frame, asOf, count) : undefined
        if (held !== undefined) return held
        yield* contextReached(context, Math.min(asOf, known.current()))
        return yield* history(context, { instrument, own: frame, timeFrame, asOf }, count).pipe(
          Effect.catchTag("TimeFrameUnfit", () => Effect.succeed(undefined))
        )
      })

    const runRows = (asked: RowRuns.Asked<AnswerError>, rows: ReadonlyArray<RowRuns.Row>) =>
      isLockStep() ? RowRuns.runRows(host, asked, rows) : runs.ask(asked, rows)
    const barsIn = makeBarsIn(voter, own)
    const answering = makePolicyAnswering<AnswerError>({
      ...{ fetch: artefacts.fetch, run: runRows, seriesAt, barsIn }
    })
    const voting = makePolicyVoting({ policies, answering, table: voter.answering, known })
    const enter = enterTraining(settings)
    const parts = { voter, settings, policies, programs, describe: answering.describe, enter }
    const trainings = makePolicyTrainings(parts)
    const reviews = makePolicyReviews(parts, trainings)
    const strategies = makeStrategies<AnswerError>({
      ...{ settings, answering, seriesAt, fetch: artefacts.fetch, run: runRows },
      policyOf: (algorithm, timeFrame) => policyDeployment(policies, algorithm, timeFrame),
      table: () => {
        const active = voter.active()
        const timeFrame = own()
        return active === null || timeFrame === null ? null : { version: active.version, timeFrame }
      }
    })

    /** The feed's time frame, the one that is asked for, and the latest as-of. */
    const ready = (wanted: TimeFrame | undefined) =>
      Effect.suspend(() => {
        const frame = own()
        const asOf = known.current()
        return frame === null || asOf === 0
          ? new NotReady({ reason: "no bars have arrived yet" })
          : Effect.succeed({ own: frame, timeFrame: frameOf(wanted ?? frame, frame), asOf })
      })

    /** From when a training is due to when it has ended. */
    let isTraining = false
    /** The policy that is to be trained at an as-of, if one is. */
    const dueTraining = (timeFrame: TimeFrame, asOf: number, index: number): PolicyAlgorithm | undefined => {
      const { trainBarsMin: barsMin, trainEveryBars: everyBars, trainPolicies: models } = rl
      if (everyBars === 0 || isTraining || trainings.isBusy()) return undefined
      const bars = { seen: index + 1, asOf, frameMs: toMs(timeFrame) }
      return dueModel({ models, everyBars, barsMin }, bars, (one) => trainings.lastTry(one, timeFrame))
    }

    /** What is due at an as-of; nothing in the warm-up, which goes as fast as it can. */
    const dueWork = (timeFrame: TimeFrame, asOf: number, index: number) => {
      if (voter.isWarmUp()) return undefined
      const algorithm = dueTraining(timeFrame, asOf, index)
      const isReviewDue = (index + 1) % rl.refitEveryBars === 0 && reviews.isDue()
      if (algorithm === undefined && !isReviewDue) return undefined
      isTraining ||= algorithm !== undefined
      const training = Effect.suspend(() => {
        if (algorithm === undefined) return Effect.void
        const request = { algorithm, asOf, timeFrame, steps: rl.policySteps, seed: seeded.seed }
        const instruments = listed().map(({ id }) => id)
        return quietly(
          `The training of the ${algorithm}`,
          trainings.train(timeFrame, { ...request, instruments }, () => Effect.void)
        )
      })
      const rested = Effect.sync(() => {
        if (algorithm !== undefined) isTraining = false
      })
      return Effect.gen(function* () {
        yield* contextReached(context, asOf)
        if (isReviewDue) yield* quietly("A review of the policies", reviews.review(timeFrame, asOf))
        yield* training
      }).pipe(Effect.ensuring(rested))
    }

    const onBars = (event: BarsEvent) =>
      Effect.suspend(() => {
        if (event.type !== "BarsClosed") return Effect.void
        const { asOf, index, timeFrame } = event.payload
        const work = dueWork(timeFrame, asOf, index)
        if (work === undefined) return Effect.void
        const told = quietly("What was due", work)
        return isLockStep() ? told : Effect.asVoid(FiberSet.run(beside, told))
      })

    /** A training that somebody asked for: it ends with their interest in it. */
    const trainFor = (asked: {
      readonly instruments: ReadonlyArray<string>
      readonly algorithm: PolicyAlgorithm
      readonly timeFrame?: TimeFrame | undefined
      readonly steps?: number | undefined
      readonly seed?: number | undefined
    }) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const { asOf, own: frame, timeFrame } = yield* ready(asked.timeFrame)
          const wanted = yield* Effect.forEach(asked.instruments, (text) => resolveInstrument(listed(), text))
          const events = yield* Mailbox.make<PolicyTrainingEvent, NotReady | TrainingNotDone>({
            capacity: eventsMax,
            strategy: "sliding"
          })
          const request = {
            ...{ algorithm: asked.algorithm, asOf, timeFrame },
            // Each once, in the order of the feed, in whatever order they are asked for.
            instruments: listed().flatMap(({ id }) =>
              wanted.length === 0 || wanted.includes(id) ? [id] : []
            ),
            steps: asked.steps ?? rl.policySteps,
            seed: asked.seed ?? seeded.seed
          }
          const training = trainings.train(frame, request, (event) => events.offer(event))
          yield* Effect.forkScoped(Mailbox.into(training, events))
          return Mailbox.toStream(events)
        })
      )

    const evaluate = (policy: PolicyAlgorithm | string, text: string, wanted: TimeFrame | undefined) =>
      Effect.gen(function* () {
        const { asOf, own: frame, timeFrame } = yield* ready(wanted)
        const instrument = yield* resolveInstrument(listed(), text)
        const version = isAlgorithm(policy) ? policyDeployment(policies, policy, timeFrame)?.version : policy
        if (version === undefined || !policies.manifests.has(version)) {
          const reason = isAlgorithm(policy)
            ? `none has been trained on bars of ${timeFrame}`
            : "no such version is known here"
          return yield* new EvaluationNotDone({ policy: policy.slice(0, 12), reason })
        }
        return yield* trainings.evaluate(frame, { asOf, instrument, version })
      })

    const handlers = (opine: Answering) =>
      ReinforcementLearningRpcs.toLayer({
        Opine: ({ model, questions }) => orUnavailable(name, opine(questions, model)),
        GenerateStrategy: ({ algorithm, conditions, instrument, timeFrame }) =>
          orInternal(
            "GenerateStrategy",
            Effect.gen(function* () {
              const frames = yield* ready(timeFrame)
              const id = yield* resolveInstrument(listed(), instrument)
              const { asOf } = frames
              const request = { instrument: id, algorithm, timeFrame: frames.timeFrame, asOf }
              return yield* strategies.generate({ ...request, conditions: conditions ?? {} })
            })
          ),
        Evaluate: ({ instrument, policy, timeFrame }) =>
          orInternal("Evaluate", evaluate(policy, instrument, timeFrame)),
        Metrics: () => Effect.sync(trainings.metrics),
        Policies: () => Effect.sync(() => standingsOf(policies))
      })
    const control = ReinforcementLearningControlRpcs.toLayer({ Train: trainFor })

    return {
      onBars,
      onModels: (event: ModelEvent) => Effect.sync(() => void evolvePolicies(policies, event)),
      answering: voting,
      serve: (opine: Answering) =>
        Effect.gen(function* () {
          yield* Effect.provide(serveAgent(ReinforcementLearningRpcs, name), handlers(opine))
          yield* Effect.provide(serveAgent(ReinforcementLearningControlRpcs, name, "control"), control)
        })
    }
  })

export const run = (settings: Settings) => VoterAgent.runWith(policyLearner(settings), addPolicies(settings))
