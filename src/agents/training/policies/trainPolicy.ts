/**
 * A policy from bars: learned in the trading environment with its graphs in a model host, calibrated on the validation rows,
 * judged on the rows that were held out beside the base rate and the Q-table, and described as the version that the model
 * manager takes in.
 *
 * What can go wrong: what is wrong with the bars (before any time is spent), the process that computes (ChildFailed), a loss
 * that is no number any more or steps too few for an update (NothingLearned), scores that cannot be calibrated.
 * Invariants: equal bars, settings, steps and seeds make the same version; what is written answers as it was judged.
 */
import { Effect } from "effect"
import { emitPolicy, policyScorer } from "../../../learning/rl/PolicyOpinion.ts"
import type { Progress } from "../../../learning/rl/Progress.ts"
import type { Calibrator } from "../../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../../learning/steps.ts"
import type { PolicyAlgorithm, PolicyTrainingEvent } from "../../../protocols/Strategy.ts"
import type { TimeFrame } from "../../../protocols/TimeFrame.ts"
import { truncateReason } from "../../../protocols/wire/Ids.ts"
import { contentHash } from "../../../protocols/wire/Json.ts"
import { breathe, stepwise } from "../../../runtime/breathe.ts"
import { ChildFailed } from "../../../runtime/errors.ts"
import { monotonicMs } from "../../../runtime/MonotonicClock.ts"
import type { Settings } from "../../Settings.ts"
import { barsDigest } from "../../trainer/barsDigest.ts"
import type { Made } from "../../trainer/frames.ts"
import { NothingLearned } from "../errors.ts"
import { openIn, startGraphHost } from "../GraphHost.ts"
import { baseRateName, calibrate, forecastsOf, judgeHeldOut, ratesOf } from "../HeldOut.ts"
import { askRows, type ModelRunOptions, openModel } from "../ModelRun.ts"
import { promotionOf } from "../promotion.ts"
import { pickRows, type QuestionRows } from "../QuestionRows.ts"
import { checkAnswers, checkedRows, metricsOf, overlapOf, trainingMemoryBytesMax } from "../trainNetwork.ts"
import { type LearnedPolicy, learnersOf, learnPolicy, policySettings } from "./learnPolicy.ts"
import { type Panel, type PolicyData, policyData } from "./PolicyData.ts"
import { policyEnvironments, type ToldOutcomes } from "./PolicyEnvironment.ts"
import { fillOf } from "./PolicyFeatures.ts"
import { encodeParameters, scoreOf, type TrainedPolicy, trainedPolicyMetadata } from "./TrainedPolicy.ts"
import { tableForecasts } from "./tableForecasts.ts"

export const policyKind = (algorithm: PolicyAlgorithm): string => `policy-${algorithm}`

/** The voter that there is. */
export const tableName = "q-table"

/** A run of a graph, or the making of a session, that takes longer is taken to hang. */
const runMsMax = 120_000
/** Between two events of progress. */
const tellEveryMs = 250
/** Steps of the environment, of all rows, between two chances for others to run. */
const sliceSteps = 8
const rowsPerSlice = 256

export interface PolicyTraining {
  readonly algorithm: PolicyAlgorithm
  readonly timeFrame: TimeFrame
  readonly asOf: number
  readonly steps: number
  readonly seed: number
  readonly settings: Settings
  /** The model host's program. */
  readonly script: string
  readonly series: Panel
}

type Tell = (event: PolicyTrainingEvent) => Effect.Effect<unknown>

/** Runs it to its end, and tells how it goes. */
const drive = (
  running: AsyncGenerator<Progress, LearnedPolicy>,
  outcomes: ToldOutcomes,
  stepsMax: number,
  tell: Tell
) =>
  Effect.gen(function* () {
    const now = yield* monotonicMs
    const began = now()
    let told = began
    let last: Progress | undefined
    const report = ({ episodes, exploration, loss, steps, updates }: Progress) => {
      told = now()
      const seconds = Math.max(told - began, 1) / 1_000
      return tell({
        _tag: "Progress",
        ...{ steps, stepsMax, episodes, updates },
        meanReward: outcomes.meanReward(),
        successRate: outcomes.successRate(),
        // A policy that is nearly sure can draw an entropy just below nothing by rounding.
        exploration: exploration === null ? null : Math.max(0, exploration),
        loss: loss === null || !Number.isFinite(loss) ? null : loss,
        updatesPerSecond: updates / seconds,
        secondsLeft: Math.max(0, ((stepsMax - steps) * seconds) / steps),
        episodeRewards: [...outcomes.take()]
      })
    }
    for (let taken = 1; ; taken++) {
      const next = yield* Effect.tryPromise({ try: () => running.next(), catch: (cause) => cause }).pipe(
        Effect.catchAll((cause) => (cause instanceof ChildFailed ? Effect.fail(cause) : Effect.die(cause)))
      )
      if (next.done === true) {
        if (last !== undefined) yield* report(last)
        return next.value
      }
      last = next.value
      if (taken % sliceSteps === 0) yield* breathe
      if (now() - told >= tellEveryMs) yield* report(last)
    }
  })

const learn = (training: PolicyTraining, data: PolicyData, tell: Tell) =>
  Effect.gen(function* () {
    const { algorithm, script, seed, settings, steps } = training
    const { policyEpisodeBars: episodeBars, policyRows: rows } = settings.reinforcementLearning
    const shorting = settings.orchestrator.allowShort
    const { environments, outcomes, outcomesOf } = yield* policyEnvironments(data, {
      ...{ learners: learnersOf(algorithm), rows, episodeBars, shorting },
      key: [seed, "policy", algorithm, training.asOf]
    })
    const host = yield* startGraphHost({ script, memoryBytesMax: trainingMemoryBytesMax, runMsMax })
    const learned = yield* drive(
      learnPolicy(algorithm, { environments, steps, open: openIn(host), seed }),
      outcomes,
      steps,
      tell
    )
    if (learned.reason === "diverged") {
      return yield* new NothingLearned({ network: algorithm, reason: "its loss was no number any more" })
    }
    if (learned.updates === 0) {
      return yield* new NothingLearned({
        network: algorithm,
        reason: `${learned.steps} steps were too few for an update`
      })
    }
    const own = outcomesOf[learned.learner]
    return { learned, reward: own?.meanReward() ?? null, success: own?.successRate() ?? null }
  }).pipe(Effect.scoped)

/** What the network has to say of rows, flat and before calibration. */
function* scoresOf(
  { matrices, scaling }: PolicyData,
  score: (features: ArrayLike<number>) => number,
  rows: QuestionRows
): Steps<Float64Array> {
  const fill = fillOf(matrices, scaling)
  const features = new Float32Array(scaling.means.length)
  const scores = new Float64Array(rows.rows)
  for (let row = 0; row < rows.rows; row++) {
    if (row % rowsPerSlice === 0) yield
    fill(rows.instrument[row] as number, rows.bar[row] as number, features, 0)
    scores[row] = score(features)
  }
  return scores
}

export const trainPolicy = (training: PolicyTraining, modelHost: ModelRunOptions, tell: Tell) =>
  Effect.gen(function* () {
    const { algorithm, asOf, seed, series, settings, steps, timeFrame } = training
    const { costs, orchestrator } = settings
    const { allowShort, horizonBars } = orchestrator
    const data = yield* yield* stepwise(policyData(series, { horizonBars, costs }))
    const { heldOut, matrices, scaling, validation } = data
    const instruments = series.map(({ instrument }) => instrument.id)
    const rows = {
      trainingRows: data.training.rows,
      validationRows: validation.rows,
      heldOutRows: heldOut.rows
    }
    yield* tell({ _tag: "Prepared", algorithm, timeFrame, asOf, instruments, steps, seed, ...rows })
    const { learned, reward, success } = yield* learn(training, data, tell)

    const parameters = encodeParameters(learned.parameters)
    const { network } = learned
    const score = scoreOf({ network, parameters, scaling })
    const scorer = policyScorer(score)
    const before = yield* stepwise(scoresOf(data, scorer, validation))
    const after = yield* stepwise(scoresOf(data, scorer, heldOut))
    const calibrator: Calibrator = yield* yield* stepwise(calibrate(before, validation))
    const forecasts = forecastsOf(calibrator, after, heldOut)
    const table = yield* stepwise(tableForecasts(data, settings, asOf))
    const report = yield* yield* stepwise(
      judgeHeldOut(
        heldOut,
        { ...forecasts, model: algorithm },
        {
          rates: yield* ratesOf(data.training, validation),
          ratesName: baseRateName,
          linear: table === null ? null : { ...table, model: tableName }
        },
        { overlap: overlapOf(series, horizonBars), seed }
      )
    )
    const promotion = promotionOf(report, { metric: tableName, name: "the Q-table" })
    const metrics = [
      ...metricsOf(report, tableName),
      ...promotion.metrics,
      ...(reward === null ? [] : [{ name: "episode-reward", value: reward }]),
      ...(success === null ? [] : [{ name: "success-rate", value: success }])
    ]
    const trained: TrainedPolicy = {
      version: 1,
      algorithm,
      network,
      parameters,
      scaling,
      instruments: instruments as unknown as TrainedPolicy["instruments"],
      timeFrame,
      horizonBars,
      costs,
      allowShort,
      data: {
        digest: barsDigest(series) as TrainedPolicy["data"]["digest"],
        from: data.training.asOf[0] as number,
        to: validation.asOf.at(-1) as number,
        knownTo: data.knownTo,
        heldOutFrom: data.heldOutFrom,
        ...rows
      },
      steps: learned.steps,
      episodes: learned.episodes,
      seed,
      metrics
    }
    const artefact = emitPolicy({
      ...score,
      calibrator,
      featureNames: scaling.schema.names,
      featureSchemaVersion: scaling.schema.version,
      metadata: trainedPolicyMetadata(trained)
    })
    const some = pickRows(
      heldOut,
      Uint32Array.from({ length: Math.min(checkedRows, heldOut.rows) }, (_, i) => i)
    )
    const asked = Effect.flatMap(openModel({ bytes: artefact, path: algorithm }, modelHost), (ask) =>
      askRows(ask, some, scaling.means.length, fillOf(matrices, scaling))
    )
    yield* checkAnswers((yield* Effect.scoped(asked)).probabilities, forecasts)

    const { policyEpisodeBars, policyRows } = settings.reinforcementLearning
    const made: Made = {
      manifest: {
        kind: policyKind(algorithm),
        voter: "reinforcement-learning",
        timeFrame,
        horizonBars,
        features: scaling.schema,
        data: {
          from: trained.data.from,
          to: trained.data.to,
          rows: data.training.rows + validation.rows
        },
        fittedAsOf: asOf,
        // One model, to the byte: of these settings, these bars and this seed.
        configuration: contentHash({
          settings: policySettings[algorithm],
          ...{ bars: trained.data.digest, instruments: trained.instruments, seed },
          ...{ algorithm, allowShort, costs, horizonBars, policyEpisodeBars, policyRows, steps }
        }),
        seed,
        metrics
      },
      reason: truncateReason(`trained by ${learned.steps} steps; ${promotion.verdict}`),
      // Where the Q-table could not be asked, nothing was shown to be better than it.
      isBetter: promotion.isBetter && table !== null,
      heldOutFrom: data.heldOutFrom
    }
    return { made, artefact }
  })
