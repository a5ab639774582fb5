/**
 * From a file of bars to the artefact of a network: what is to be learned is made and checked, learned in the training
 * host, calibrated on the validation rows, judged on the rows that were held out, and put together with its description.
 *
 * What can go wrong: everything that is wrong with the data or the network is found by `prepare`, before any time is
 * spent; then what the training host says; then a network that has learned nothing.
 * Invariants: equal bars, settings and seeds make the same artefact, to the byte; what is written answers as it was
 * judged.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { Effect, Either, type Scope } from "effect"
import { fitClassValues } from "../../learning/ClassOpinion.ts"
import type { RowRefused, TooFewOutcomes, TrainingRefused } from "../../learning/errors.ts"
import type { OutcomesRefused } from "../../learning/evaluation/checks.ts"
import type { Calibrator } from "../../learning/ScoreCalibrator.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import { barsUntilMature } from "../../market/Label.ts"
import { stepwise } from "../../runtime/breathe.ts"
import type { Settings } from "../Settings.ts"
import type { FileUnwritable } from "../training-host/errors.ts"
import { trainingName } from "../training-host/HostTraining.ts"
import { servedRowsPerRun } from "../training-host/RunSizes.ts"
import { encodeTrainingData } from "../training-host/TrainingData.ts"
import { start, type Training, type TrainingResult } from "../training-host/TrainingHost.ts"
import { writeWhole } from "../training-host/wholeFile.ts"
import { type ClassReport, judgeClasses } from "./ClassReport.ts"
import { emitTrained } from "./emitTrained.ts"
import { type ModelFileUnfit, NothingLearned, type TooFewBars } from "./errors.ts"
import {
  baseRateName,
  calibrate,
  type Forecasts,
  forecastsOf,
  type HeldOutReport,
  judgeHeldOut,
  linearBaseline,
  ratesOf
} from "./HeldOut.ts"
import { type InputError, inputFeatures } from "./InputFeatures.ts"
import { inputSchema, inputsOf, type SequenceInput } from "./ModelInput.ts"
import { askRows, type ModelRunOptions, openModel, rowsPerRun } from "./ModelRun.ts"
import type { ChosenNetwork } from "./NetworkChoice.ts"
import { pickRows, type QuestionRows } from "./QuestionRows.ts"
import type { Bars } from "./readBars.ts"
import { type TrainedModel, trainedModelMetadata } from "./TrainedModel.ts"
import { makeTrainingSet, type TrainingClasses, type TrainingSet } from "./TrainingSet.ts"

/** Resident memory that a training may take. */
export const trainingMemoryBytesMax = 4 * 2 ** 30
/** A run, or the making of a session, that takes longer is taken to hang. */
const runMsMax = 120_000
const restartsMax = 3
/** Largest difference of a probability between float64 and the artefact. */
const toleranceMax = 1e-4
/** The worth of a class is half believed after so many horizons that do not overlap. */
const classRidgeOutcomes = 30
/** Rows that the finished artefact is asked again. */
export const checkedRows = 64

export interface Prepared {
  readonly bars: Bars
  readonly network: ChosenNetwork
  readonly horizonBars: number
  readonly settings: Settings
  readonly set: TrainingSet
}

/** Makes what is to be learned. */
export const prepare = (
  bars: Bars,
  network: ChosenNetwork,
  horizonBars: number,
  settings: Settings
): Effect.Effect<Prepared, TooFewBars | InputError | TrainingRefused> =>
  Effect.gen(function* () {
    const set = yield* yield* stepwise(
      makeTrainingSet(bars.instruments, {
        path: bars.path,
        input: network.input,
        classes: network.classes,
        horizonBars,
        costs: settings.costs
      })
    )
    return { bars, network, horizonBars, settings, set }
  })

/** Begins the training; its data and checkpoints are in the folder, which is made. */
export const learn = (
  { network, set }: Prepared,
  options: { readonly folder: string; readonly script: string }
): Effect.Effect<Training, FileUnwritable, Scope.Scope> =>
  Effect.gen(function* () {
    const parts = encodeTrainingData(set.data)
    const hash = createHash("sha256")
    for (const part of parts) hash.update(part)
    const digest = hash.digest("hex")
    const path = join(options.folder, `${digest.slice(0, 32)}.rows`)
    yield* writeWhole(path, parts)
    return yield* start(
      { script: options.script, memoryBytesMax: trainingMemoryBytesMax, runMsMax, restartsMax },
      { spec: network.spec, data: { path, digest }, folder: options.folder }
    )
  })

export interface TrainedNetwork {
  readonly artefact: Uint8Array
  readonly description: TrainedModel
  readonly report: HeldOutReport
  /** Why the linear baseline is not in the report; null where it is. */
  readonly linearMissing: string | null
}

/** Lets scores through as they are. */
const uncalibrated: Calibrator = {
  outcomes: 0,
  sell: { intercept: 0, score: 0, band: 0 },
  buy: { intercept: 0, score: 0, band: 0 },
  scoreMax: 1e6,
  logBandMin: -1,
  logBandMax: 1,
  slope: 1,
  residualDeviation: 1
}

/** Consecutive rows whose horizons have a bar in common. */
export const overlapOf = (instruments: ReadonlyArray<BarSeries>, horizonBars: number): number =>
  instruments.length *
  barsUntilMature(
    horizonBars,
    instruments.some(({ closeOnly }) => closeOnly)
  )

/** A file has one. */
const calendarOf = ([first]: ReadonlyArray<BarSeries>) =>
  first === undefined ? {} : { calendar: first.instrument.calendar }

/** @param voter the name of the voter that it stands beside */
export const metricsOf = (report: HeldOutReport, voter = "linear") => {
  const [base, ...others] = report.sides.rows
  const model = others.at(-1)
  const named = (row: typeof base, name: string, as: string) =>
    (row?.metrics ?? []).flatMap((metric) =>
      metric.name === name ? [{ name: as, value: metric.value }] : []
    )
  return [
    ...(model?.metrics ?? []),
    ...(report.returns.rows.at(-1)?.metrics ?? []),
    ...named(base, "log-loss", "base-log-loss"),
    ...(others.length > 1 ? named(others[0], "log-loss", `${voter}-log-loss`) : []),
    ...(report.classes?.errors.rows.at(-1)?.metrics ?? []),
    ...named(report.classes?.errors.rows[0], "class-accuracy", "frequent-class-accuracy"),
    { name: "held-out", value: report.rows }
  ]
}

/** Calibrates, judges and puts together what has been learned. */
export const finish = (
  prepared: Prepared,
  result: TrainingResult,
  modelHost: ModelRunOptions
): Effect.Effect<
  TrainedNetwork,
  NothingLearned | ModelFileUnfit | InputError | TooFewOutcomes | RowRefused | OutcomesRefused
> =>
  Effect.gen(function* () {
    const { bars, horizonBars, network, set, settings } = prepared
    const { instruments } = bars
    const { spec } = network
    const { classes, heldOut, training, validation } = set
    const name = trainingName(spec)
    const { parameters } = result
    if (parameters === null) {
      const reason =
        result.reason === "diverged" ? "its loss was no number any more" : "it was stopped before"
      return yield* new NothingLearned({ network: name, reason: `${reason} the first epoch was over` })
    }
    const schema = inputSchema(network.input)
    const values = yield* classValuesOf(set, horizonBars)
    const emit = (calibrator: Calibrator, metadata: Readonly<Record<string, string>>) =>
      emitTrained(spec, {
        parameters,
        normalisation: set.normalisation,
        classes: classes === null ? null : { names: classes.names, values, weights: classes.weights },
        calibrator,
        featureNames: schema.names,
        featureSchemaVersion: schema.version,
        metadata
      })
    const { scaling } = set
    const input: SequenceInput = {
      ...network.input,
      ...(scaling === null ? {} : { standIns: scaling.means })
    }
    const fill = yield* yield* stepwise(inputsOf(input, instruments))
    const runRows = servedRowsPerRun(spec, rowsPerRun)
    const answersOf = (bytes: Uint8Array, ...parts: ReadonlyArray<QuestionRows>) =>
      Effect.scoped(
        Effect.flatMap(openModel({ bytes, path: name }, modelHost, classes?.names.length), (ask) =>
          Effect.forEach(parts, (rows) => askRows(ask, rows, schema.names.length, fill, runRows))
        )
      )
    const said = yield* answersOf(emit(uncalibrated, {}), validation, heldOut)
    const [before, after] = said.map(({ score }) => Float64Array.from(score)) as [Float64Array, Float64Array]
    const calibrator = yield* yield* stepwise(calibrate(before, validation))
    const forecasts = forecastsOf(calibrator, after, heldOut)
    const rates = yield* ratesOf(training, validation)
    const linear = yield* stepwise(linearBaseline(set, settings.deepLearning))
    const judging = { overlap: overlapOf(instruments, horizonBars), seed: spec.seed }
    const ofSides = yield* yield* stepwise(
      judgeHeldOut(
        heldOut,
        { ...forecasts, model: name },
        { rates, ratesName: baseRateName, linear: Either.getOrNull(linear) },
        judging
      )
    )
    const probabilities = said.at(-1)?.classes ?? new Float32Array()
    const ofClasses =
      classes === null
        ? null
        : yield* yield* stepwise(
            judgeClasses({ ...classes, model: name, probabilities }, classes.heldOut, judging)
          )
    const report: HeldOutReport = { ...ofSides, ...(ofClasses === null ? {} : { classes: ofClasses }) }
    const description: TrainedModel = {
      version: 1,
      sequence: {
        features: network.input.features,
        version: inputFeatures[network.input.features].version,
        length: network.input.length,
        hasVolume: instruments.some(({ volume }) => volume !== null),
        ...(scaling === null ? {} : { scaling, ...calendarOf(instruments) })
      },
      timeFrame: bars.timeFrame,
      horizonBars,
      costs: settings.costs,
      training: spec,
      data: {
        digest: bars.digest as TrainedModel["data"]["digest"],
        instruments: instruments.map(({ instrument }) => instrument.id),
        from: training.asOf[0] as number,
        to: validation.asOf.at(-1) as number,
        knownTo: validation.labelEnd.reduce((latest, end) => Math.max(latest, end)),
        heldOutFrom: heldOut.asOf[0] as number,
        trainingRows: training.rows,
        validationRows: validation.rows,
        heldOutRows: heldOut.rows
      },
      baseRates: [...rates] as unknown as TrainedModel["baseRates"],
      ...(classes === null || ofClasses === null
        ? {}
        : { classes: describeClasses(classes, values, ofClasses) }),
      metrics: metricsOf(report),
      losses: result.history
    }
    const artefact = emit(calibrator, trainedModelMetadata(description))
    const some = pickRows(
      heldOut,
      Uint32Array.from({ length: Math.min(checkedRows, heldOut.rows) }, (_, i) => i)
    )
    for (const { probabilities } of yield* answersOf(artefact, some))
      yield* checkAnswers(probabilities, forecasts)
    const linearMissing = Either.isLeft(linear) ? linear.left.message : null
    return { artefact, description, report, linearMissing }
  })

/** Empty where there are no classes. */
const classValuesOf = (
  { classes, training }: TrainingSet,
  horizonBars: number
): Either.Either<Float64Array, RowRefused> =>
  classes === null
    ? Either.right(new Float64Array())
    : fitClassValues(
        { label: classes.training, z: training.z },
        { classes: classes.names.length, ridgeRows: classRidgeOutcomes * horizonBars }
      )

const describeClasses = (
  { counts, kind, weights }: TrainingClasses,
  values: Float64Array,
  { classes }: ClassReport
): NonNullable<TrainedModel["classes"]> => ({
  kind,
  each: classes.map(({ rows, ...judged }, k) => ({
    ...judged,
    trainingRows: counts[k] as number,
    heldOutRows: rows,
    value: values[k] as number,
    weight: weights[k] as number
  }))
})

/** What was judged is what is written. */
export const checkAnswers = (probabilities: Float32Array, forecasts: Forecasts): Effect.Effect<void> => {
  const at = probabilities.findIndex(
    (probability, i) => Math.abs(probability - (forecasts.probabilities[i] as number)) > toleranceMax
  )
  return at < 0
    ? Effect.void
    : Effect.dieMessage(
        `the artefact answers ${probabilities[at]} where ${forecasts.probabilities[at]} was judged`
      )
}
