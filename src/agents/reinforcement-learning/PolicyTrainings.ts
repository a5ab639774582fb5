/**
 * Trains, deploys and evaluates the policies of the agent, one training at a time.
 *
 * A policy is deployed under its own name whenever the model manager takes it. It votes in the place of the Q-table only after it
 * was shown to be better on what was held out, by the rule of `promotionOf`, and where no policy that votes already does better
 * on the same rows.
 *
 * What can go wrong: everything that can go wrong with a training; what serves serves on.
 */
import { Cause, Effect, Either, Exit } from "effect"
import { logLosses } from "../../learning/evaluation/ClassMetrics.ts"
import { mean } from "../../learning/evaluation/Scoring.ts"
import { sides } from "../../learning/ScoreCalibrator.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { EvaluationNotDone, NotReady, TrainingNotDone } from "../../protocols/errors.ts"
import type { Instrument, InstrumentId } from "../../protocols/Instrument.ts"
import type { PolicyAlgorithm, PolicyEvaluation, PolicyTrainingEvent } from "../../protocols/Strategy.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { type Haste, history } from "../deep-learning/history.ts"
import { maturedRows } from "../deep-learning/review.ts"
import type { Programs } from "../Programs.ts"
import type { Settings } from "../Settings.ts"
import { trainerBarsMax } from "../trainer/frames.ts"
import { evaluatePolicyInProcess, trainPolicyInProcess } from "../trainer/Trainer.ts"
import { startModelRun } from "../training/ModelRun.ts"
import type { Panel } from "../training/policies/PolicyData.ts"
import type { TrainedPolicy } from "../training/policies/TrainedPolicy.ts"
import type { AnswerError, Voter } from "../voter/Addition.ts"
import type { Fitted } from "../voter/Learner.ts"
import type { Windowed } from "../voter/WindowedLearner.ts"
import {
  algorithmOfKind,
  champion,
  type Policies,
  policyAlias,
  policyDeployment,
  servingAlias
} from "./Policies.ts"
import { panelBars } from "./PolicyAnswers.ts"
import { answersOfPolicy } from "./reviewAnswers.ts"
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
}

type Tell = (event: PolicyTrainingEvent) => Effect.Effect<unknown>

export const makePolicyTrainings = (parts: PolicyTrainingParts) => {
  const { describe, policies, programs, settings, voter } = parts
  const { artefacts, context } = voter
  const { costs, models, orchestrator, reinforcementLearning, run } = settings
  const { horizonBars } = orchestrator
  const log = makeTrainingLog()
  const modelHost = {
    script: programs.modelHost,
    memoryBytesMax: models.hostMemoryBytesMax,
    runMsMax: models.runMsMax
  }
  /** An evaluation is a process of its own. */
  const oneAtATime = Effect.unsafeMakeSemaphore(1)
  let going: PolicyRequest | undefined

  /** In lock-step the bars wait for it; else others are to be answered meanwhile. */
  const hasteOf = (): Haste => (voter.paceMs() === null ? "asked" : "beside")

  const listed = (ids: ReadonlyArray<InstrumentId>): ReadonlyArray<Instrument> =>
    voter.state().windows.instruments.filter(({ id }) => ids.includes(id))

  /** The latest bars of some instruments, as many as a process takes. */
  const barsOf = (
    instruments: ReadonlyArray<Instrument>,
    own: TimeFrame,
    { asOf, timeFrame }: Pick<PolicyRequest, "asOf" | "timeFrame">
  ): Effect.Effect<Panel | undefined, Effect.Effect.Error<ReturnType<typeof history>>> => {
    const count = Math.min(
      reinforcementLearning.policyBarsMax,
      Math.floor(trainerBarsMax / Math.max(1, instruments.length))
    )
    return Effect.map(
      Effect.forEach(instruments, (instrument) =>
        history(context, { instrument, own, timeFrame, asOf }, count, hasteOf())
      ),
      (series) => {
        const [first, ...rest] = series.filter(({ close }) => close.length > 0)
        return first === undefined ? undefined : ([first, ...rest] as const)
      }
    )
  }

  const publish = (fitted: Fitted, parent: string | null) =>
    Effect.tap(artefacts.publish(fitted, parent), (manifest) =>
      Effect.sync(() => policies.manifests.set(manifest.digest, manifest))
    )

  /** What was done is known before it comes back from the journal. */
  const activate = (alias: string, version: string, since: number, reason: string) =>
    Effect.tap(
      artefacts.activate(alias, version, policies.deployments.get(alias) ?? null, {
        since,
        reason: truncateReason(reason)
      }),
      (deployment) => Effect.sync(() => policies.deployments.set(alias, deployment))
    )

  /** Deploys a policy under its own name; false where the model manager refuses it. */
  const deploy = (fitted: Fitted) =>
    Effect.gen(function* () {
      const { kind, timeFrame } = fitted.manifest
      const algorithm = algorithmOfKind(kind)
      if (algorithm === undefined) return false
      const active = policyDeployment(policies, algorithm, timeFrame)
      const { digest, fittedAsOf } = yield* publish(fitted, active?.version ?? null)
      return yield* activate(policyAlias(algorithm, timeFrame), digest, fittedAsOf, fitted.reason).pipe(
        Effect.as(true),
        Effect.catchTag("ArtefactRefused", (refused) => Effect.as(Effect.logInfo(refused.message), false))
      )
    })

  /** Whether the policy that votes does better on the rows that were held out from a new one. */
  const isOutdone = (timeFrame: TimeFrame, series: Panel, heldOutFrom: number, logLoss: number | null) =>
    Effect.gen(function* () {
      const votes = champion(policies, timeFrame)
      if (votes === undefined || logLoss === null) return false
      const version = votes.manifest.digest
      const rows = yield* maturedRows(series, heldOutFrom - 1, { barsBefore: panelBars, horizonBars, costs })
      const artefact = yield* artefacts.fetch(version)
      const trained = yield* describe(version)
      const { probabilities } = yield* Effect.scoped(
        Effect.flatMap(startModelRun(modelHost), (child) =>
          answersOfPolicy(child, { artefact, trained, version }, series, rows)
        )
      )
      const losses = logLosses(Float64Array.from(probabilities), rows.label, sides.length)
      return Either.isRight(losses) && mean(losses.right) <= logLoss
    })

  const vote = (timeFrame: TimeFrame, version: string, since: number, reason: string) =>
    Effect.gen(function* () {
      const alias = servingAlias(timeFrame)
      const table = voter.active()
      // What it votes in the place of is there to go back to.
      if (policies.deployments.get(alias) === undefined && table?.alias.endsWith(`/${timeFrame}`) === true) {
        const why = "the Q-table votes until a policy does better"
        yield* activate(alias, table.version, table.since, why)
      }
      return yield* activate(alias, version, since, reason)
    })

  const trained = (own: TimeFrame, request: PolicyRequest, tell: Tell) =>
    Effect.gen(function* () {
      const { algorithm, asOf, seed, steps, timeFrame } = request
      const series = yield* barsOf(listed(request.instruments), own, request)
      if (series === undefined) return yield* new NotReady({ reason: "no bars have arrived yet" })
      const { artefact, made } = yield* trainPolicyInProcess(
        { algorithm, asOf, programs, seed, series, settings, steps, timeFrame },
        tell
      )
      const { heldOutFrom, isBetter, logLoss, ...fitted } = made
      const isDeployed = yield* deploy({ ...fitted, artefact })
      const version = sha256(artefact)
      const isServing = isDeployed && isBetter && !(yield* isOutdone(timeFrame, series, heldOutFrom, logLoss))
      if (isServing) yield* vote(timeFrame, version, fitted.manifest.fittedAsOf, fitted.reason)
      yield* Effect.logInfo(`The ${algorithm} of ${timeFrame}: ${fitted.reason}`)
      const { metrics } = fitted.manifest
      yield* tell({ _tag: "Trained", version, metrics, isDeployed, isServing, reason: fitted.reason })
      return fitted.reason
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
      const followed = policy.instruments.flatMap((id) => listed([id]))
      const series = yield* barsOf(followed, own, { asOf, timeFrame: policy.timeFrame })
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
    metrics: log.all,
    /** The latest bars of the instruments that a policy looks at together. */
    latestBars: (
      own: TimeFrame,
      trainedPolicy: TrainedPolicy,
      asOf: number,
      count: number
    ): Effect.Effect<ReadonlyArray<BarSeries>, Effect.Effect.Error<ReturnType<typeof history>>> =>
      Effect.forEach(
        trainedPolicy.instruments.flatMap((id) => listed([id])),
        (instrument) =>
          history(context, { instrument, own, timeFrame: trainedPolicy.timeFrame, asOf }, count, hasteOf())
      ),
    modelHost
  }
}

export type PolicyTrainings = ReturnType<typeof makePolicyTrainings>
