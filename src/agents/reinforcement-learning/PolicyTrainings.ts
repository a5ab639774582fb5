/**
 * Trains, deploys and evaluates the policies of the agent, one training at a time.
 *
 * A policy is deployed under its own name whenever the model manager takes it. It votes in the place of the Q-table only after it
 * was shown to be better on what was held out, by the rule of `promotionOf`, and where no policy that votes already does better
 * (`PolicyContest.ts`). Each one that was judged is entered as a trial, whatever becomes of it.
 *
 * What can go wrong: everything that can go wrong with a training; what serves serves on.
 */
import { Cause, Effect, Either, Exit } from "effect"
import { EvaluationNotDone, NotReady, TrainingNotDone } from "../../protocols/errors.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { PolicyAlgorithm, PolicyEvaluation, PolicyTrainingEvent } from "../../protocols/Strategy.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import type { Programs } from "../Programs.ts"
import type { Settings } from "../Settings.ts"
import { evaluatePolicyInProcess, trainPolicyInProcess } from "../trainer/Trainer.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import { readTrainedPolicy, type TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { EnterTraining } from "../training/trainingTrial.ts"
import type { AnswerError, Voter } from "../voter/Addition.ts"
import { makeDeployments } from "../voter/Deployments.ts"
import type { Fitted } from "../voter/Learner.ts"
import type { Windowed } from "../voter/WindowedLearner.ts"
import {
  algorithmOfKind,
  champion,
  learnedToOf,
  type Policies,
  policyAlias,
  servingAlias
} from "./Policies.ts"
import { makePolicyBars, panelWanted } from "./PolicyBars.ts"
import { makePolicyContest } from "./PolicyContest.ts"
import { makeTrainingLog } from "./TrainingLog.ts"

export interface PolicyRequest {
  readonly algorithm: PolicyAlgorithm
  readonly timeFrame: TimeFrame
  readonly asOf: number
  readonly instruments: ReadonlyArray<InstrumentId>
  readonly steps: number
  readonly seed: number
}

export interface PolicyTrainingParts {
  readonly voter: Voter<Windowed<unknown>>
  readonly settings: Settings
  readonly policies: Policies
  readonly programs: typeof Programs.Service
  readonly describe: (version: string) => Effect.Effect<TrainedPolicy, AnswerError>
  readonly enter: EnterTraining
}

type Tell = (event: PolicyTrainingEvent) => Effect.Effect<unknown>

export const makePolicyTrainings = (parts: PolicyTrainingParts) => {
  const { describe, enter, policies, programs, settings, voter } = parts
  const { artefacts } = voter
  const { costs, models, orchestrator, run } = settings
  const { horizonBars } = orchestrator
  const log = makeTrainingLog()
  const modelHost = {
    script: programs.modelHost,
    memoryBytesMax: models.hostMemoryBytesMax,
    runMsMax: models.runMsMax
  }
  const bars = makePolicyBars(voter, settings)
  const contest = makePolicyContest(bars.isFollowed, { horizonBars, costs }, modelHost)
  /** An evaluation is a process of its own. */
  const oneAtATime = Effect.unsafeMakeSemaphore(1)
  let going: PolicyRequest | undefined
  /** As-of of the latest try at each policy of the feed's time frame, in this life. */
  const tried = new Map<PolicyAlgorithm, number>()

  const { activate, place, publish, vote } = makeDeployments({
    ...{ voter, manifests: policies.manifests, deployments: policies.deployments, servingAlias },
    aliasOf: (kind, timeFrame) => {
      const algorithm = algorithmOfKind(kind)
      return algorithm === undefined ? undefined : policyAlias(algorithm, timeFrame)
    },
    untilBetter: "the Q-table votes until a policy does better"
  })

  /** Why a new policy is not to vote in the place of one that does; undefined where it may. */
  const whyNotPromote = (series: Panel, { artefact, manifest }: Fitted) =>
    Effect.gen(function* () {
      const promoted = champion(policies, manifest.timeFrame)?.deployment.version
      if (promoted === undefined) return undefined
      const description = readTrainedPolicy(artefact)
      if (Either.isLeft(description)) return description.left
      return yield* contest.whyNotBetter(
        { artefact, series, trained: description.right, version: sha256(artefact) },
        // As it was deployed: what it has been calibrated on since are outcomes that are held out here.
        {
          artefact: yield* artefacts.fetch(promoted),
          trained: yield* describe(promoted),
          version: promoted
        }
      )
    })

  const trained = (own: TimeFrame, request: PolicyRequest, tell: Tell) =>
    Effect.gen(function* () {
      const { algorithm, asOf, seed, steps, timeFrame } = request
      const series = yield* bars.all({ ...request, own, corrected: true })
      if (series === undefined) return yield* new NotReady({ reason: "no bars have arrived yet" })
      const { artefact, made } = yield* trainPolicyInProcess(
        { algorithm, asOf, programs, seed, series, settings, steps, timeFrame },
        tell
      )
      const { heldOutFrom, isBetter, ...rest } = made
      const fitted: Fitted = { ...rest, artefact }
      yield* enter(fitted, heldOutFrom)
      const placed = yield* place(fitted, isBetter, whyNotPromote(series, fitted))
      yield* Effect.logInfo(`The ${algorithm} of ${timeFrame}: ${placed.reason}`)
      const { metrics } = fitted.manifest
      yield* tell({ _tag: "Trained", version: sha256(artefact), metrics, ...placed })
      return placed.reason
    })

  const endOf = (exit: Exit.Exit<string, { readonly message: string }>) => {
    if (Exit.isSuccess(exit)) log.end("trained", exit.value)
    else if (Cause.isInterruptedOnly(exit.cause)) log.end("stopped", "whoever asked for it left")
    else {
      const reason = Cause.squash(exit.cause)
      log.end("failed", reason instanceof Error ? reason.message : String(reason))
    }
  }

  /** Nothing comes between the beginning and what ends it: an interruption there would keep all others from beginning. */
  const train = (own: TimeFrame, request: PolicyRequest, tell: Tell) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => {
        if (going !== undefined) {
          const { algorithm, timeFrame } = going
          const reason = `the ${algorithm} of ${timeFrame} is being trained, and there is one at a time`
          return Effect.fail(new NotReady({ reason }))
        }
        going = request
        if (toMs(own) === toMs(request.timeFrame)) tried.set(request.algorithm, request.asOf)
        log.begin(request.algorithm, request.timeFrame, request.asOf)
        return Effect.void
      }),
      () =>
        trained(own, request, (event) =>
          Effect.zipRight(
            Effect.sync(() => log.note(event)),
            tell(event)
          )
        ).pipe(
          Effect.mapError((error) =>
            error._tag === "NotReady" || error._tag === "TrainingNotDone"
              ? error
              : new TrainingNotDone({ model: request.algorithm, reason: truncateReason(error.message) })
          )
        ),
      (_, exit) =>
        Effect.sync(() => {
          going = undefined
          endOf(exit)
        })
    )

  /** What a version would have come to on the bars after those that it learned from. */
  const evaluate = (
    own: TimeFrame,
    {
      asOf,
      instrument,
      version
    }: { readonly asOf: number; readonly instrument: InstrumentId; readonly version: string }
  ) =>
    Effect.gen(function* () {
      const policy = yield* describe(version)
      const notDone = (reason: string) =>
        new EvaluationNotDone({ policy: version.slice(0, 12), reason: truncateReason(reason) })
      const series = yield* bars.all(panelWanted(own, policy, asOf))
      if (series === undefined) return yield* notDone("none of its instruments has bars here")
      const judged = yield* evaluatePolicyInProcess({
        ...{ instrument, programs, series, seed: run.seed },
        trained: policy
      }).pipe(
        oneAtATime.withPermits(1),
        Effect.catchTag("TrainingNotDone", ({ reason }) => notDone(reason))
      )
      return { ...judged, version } satisfies PolicyEvaluation
    })

  return {
    train,
    evaluate,
    vote,
    activate,
    publish,
    isBusy: () => going !== undefined,
    /** As-of of the latest training of a policy of the feed's time frame, or try at one; whatever became of it. */
    lastTry: (algorithm: PolicyAlgorithm, own: TimeFrame): number | undefined => {
      const versions = [...policies.manifests.values()].filter(
        ({ kind, timeFrame }) => algorithmOfKind(kind) === algorithm && toMs(timeFrame) === toMs(own)
      )
      const made = versions.map(learnedToOf)
      const last = Math.max(tried.get(algorithm) ?? Number.NEGATIVE_INFINITY, ...made)
      return Number.isFinite(last) ? last : undefined
    },
    metrics: log.all,
    bars,
    modelHost
  }
}

export type PolicyTrainings = ReturnType<typeof makePolicyTrainings>
