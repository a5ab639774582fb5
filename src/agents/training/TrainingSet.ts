/**
 * Rows of questions parted by time (70% to learn from, 15% to validate on, 15% held out), and what the training host is
 * given of them. Rows whose horizons touch those of the part that follows are left out of it; what the network sees is
 * normalised by the bars that its training rows have seen. The target is the return in sigmas, or the class of the row; rare
 * classes weigh more in the loss where they are known at the as-of (`classWeights`).
 *
 * What can go wrong: too few rows for the parts to mean anything (TooFewBars), a feature that is not finite
 * (FeatureNotFinite), bars that cannot be followed together (ScheduleError) or have no classes (TrainingRefused).
 * Invariant: nothing of the held-out part is in what is given to the training host.
 */
import { Either } from "effect"
import { classWeights } from "../../learning/ClassOpinion.ts"
import type { TrainingRefused } from "../../learning/errors.ts"
import { timeOrderedSplit } from "../../learning/evaluation/Splits.ts"
import { fitNormalisation, normalise } from "../../learning/NetworkOpinion.ts"
import type { Normalisation } from "../../learning/networks/models.ts"
import { calibratorDefaults } from "../../learning/ScoreCalibrator.ts"
import type { Steps } from "../../learning/steps.ts"
import { type BarSeries, closeTimeAt } from "../../market/BarSeries.ts"
import { type FeatureScaling, fitFeatureScaling, scaleMatrix } from "../../market/features/FeatureScaling.ts"
import { instrumentFeatureSchema } from "../../market/features/InstrumentFeatures.ts"
import { barsUntilMature } from "../../market/Label.ts"
import type { TrainingData, TrainingRows } from "../training-host/TrainingData.ts"
import { type ClassKind, classLabels, classNames } from "./ClassLabels.ts"
import { TooFewBars } from "./errors.ts"
import { featureSeries, type InputError, inputFeatures } from "./InputFeatures.ts"
import { barsBeforeOf, looksAtAll, type SequenceInput } from "./ModelInput.ts"
import {
  pickRows,
  type QuestionOptions,
  type QuestionRows,
  questionBarsBefore,
  questionRows
} from "./QuestionRows.ts"

const shares = { train: 0.7, test: 0.15 }
/** What is held out has to be enough for the blocks of a bootstrap. */
const partRowsMin = calibratorDefaults.minOutcomes

/** A candle that is rare counts at most so many times what the most frequent one does: its few rows are learned by heart. */
const weightRatioMax = 8

export interface TrainingClasses {
  readonly kind: ClassKind
  readonly names: ReadonlyArray<string>
  /** Of each class in the loss. */
  readonly weights: Float64Array
  /** Of the training rows. */
  readonly counts: Float64Array
  /** The class of each row, by its index. */
  readonly training: Uint8Array
  readonly validation: Uint8Array
  readonly heldOut: Uint8Array
}

export interface TrainingSet {
  readonly training: QuestionRows
  readonly validation: QuestionRows
  readonly heldOut: QuestionRows
  readonly normalisation: Normalisation
  /** The same of features that may be absent: their means stand in for them. Null where none ever is. */
  readonly scaling: FeatureScaling | null
  readonly data: TrainingData
  /** Null where the network answers with a return. */
  readonly classes: TrainingClasses | null
}

export interface TrainingSetOptions extends Omit<QuestionOptions, "barsBefore" | "matured"> {
  /** For messages. */
  readonly path: string
  readonly input: SequenceInput
  readonly classes?: ClassKind | null
}

export type Parts = Pick<TrainingSet, "training" | "validation" | "heldOut">

/** Rows that parts which mean something are made of. @param after bars until the label of a row is known */
export const rowsMinFor = (after: number, instruments: number): number =>
  Math.ceil(partRowsMin / (1 - shares.train - shares.test)) + 2 * after * instruments

/** Rows in the order of time, parted: those whose labels touch those of the next part are left out. */
export const partByTime = (rows: QuestionRows) =>
  Either.map(
    timeOrderedSplit({ start: rows.asOf, end: rows.labelEnd }, { ...shares, embargoMs: 0 }),
    ({ test, train, validation }): Parts => ({
      training: pickRows(rows, train),
      validation: pickRows(rows, validation),
      heldOut: pickRows(rows, test)
    })
  )

/** The classes of all rows. What is known only in hindsight is as likely as it is: it bears no weights. */
function* classesOf(
  kind: ClassKind,
  parts: Parts,
  costs: TrainingSetOptions["costs"]
): Steps<Either.Either<TrainingClasses, TrainingRefused>> {
  const names = classNames(kind)
  const labelled: Array<Uint8Array> = []
  for (const part of [parts.training, parts.validation, parts.heldOut]) {
    const labels = yield* classLabels(kind, part, costs)
    if (Either.isLeft(labels)) return Either.left(labels.left)
    labelled.push(labels.right)
  }
  const [training, validation, heldOut] = labelled as [Uint8Array, Uint8Array, Uint8Array]
  const counts = new Float64Array(names.length)
  for (const label of training) counts[label] = (counts[label] as number) + 1
  const weights =
    kind === "candles"
      ? classWeights(training, { classes: names.length, ratioMax: weightRatioMax })
      : new Float64Array(names.length).fill(1)
  return Either.right({ kind, names, weights, counts, training, validation, heldOut })
}

/** What the network sees, by the mean and deviation of what was seen in training. */
function* normalisedBy(
  seen: Float32Array,
  given: Float32Array,
  input: SequenceInput
): Steps<Pick<TrainingSet, "normalisation" | "scaling"> & Pick<TrainingData, "series">> {
  const { names } = inputFeatures[input.features]
  if (!looksAtAll(input)) {
    const normalisation = fitNormalisation(seen, names.length)
    yield
    return { normalisation, scaling: null, series: normalise(given, normalisation, names.length) }
  }
  const rowsOf = (matrix: Float32Array) => ({ schema: instrumentFeatureSchema, names, matrix })
  const scaling = fitFeatureScaling(rowsOf(seen), { from: 0, to: seen.length / names.length })
  yield
  const { deviations, means } = scaling
  return { normalisation: { means, deviations }, scaling, series: scaleMatrix(rowsOf(given), scaling) }
}

export function* makeTrainingSet(
  instruments: ReadonlyArray<BarSeries>,
  options: TrainingSetOptions
): Steps<Either.Either<TrainingSet, TooFewBars | InputError | TrainingRefused>> {
  const { input, path } = options
  const barsBefore = barsBeforeOf(input)
  const bars = instruments.reduce((most, { close }) => Math.max(most, close.length), 0)
  const tooFew = (barsMin: number, reason: string) =>
    Either.left(new TooFewBars({ path, bars, barsMin, reason }))

  const before = Math.max(barsBefore, questionBarsBefore)
  const after = barsUntilMature(
    options.horizonBars,
    instruments.some(({ closeOnly }) => closeOnly)
  )
  const needed = before + 1 + after
  const spans = `a sequence of ${input.length} bars, ${before + 1 - input.length} before it and a horizon of ${options.horizonBars}`
  if (bars < needed) return tooFew(needed, spans)
  const rows = yield* questionRows(instruments, { ...options, barsBefore, matured: true })
  const rowsMin = rowsMinFor(after, instruments.length)
  if (rows.rows < rowsMin) {
    return tooFew(
      needed + Math.ceil(rowsMin / instruments.length),
      `${spans}, and ${rowsMin} rows, of which there are ${rows.rows}`
    )
  }
  const split = partByTime(rows)
  yield
  if (Either.isLeft(split)) return tooFew(needed + rowsMin, split.left.message)
  const parts = split.right
  const named = options.classes ?? null
  const labelled = named === null ? null : yield* classesOf(named, parts, options.costs)
  if (labelled !== null && Either.isLeft(labelled)) return Either.left(labelled.left)
  const classes = labelled === null ? null : labelled.right

  const { lookBack, names } = inputFeatures[input.features]
  const width = names.length
  const made = yield* featureSeries(input.features, instruments)
  if (Either.isLeft(made)) return Either.left(made.left)
  const lastBars = lastBarsOf(instruments.length, parts.training, parts.validation)
  const offsets: Array<number> = []
  const given: Array<Float32Array> = []
  const seen: Array<Float32Array> = []
  const seenTo = parts.training.asOf.at(-1) as number
  let steps = 0
  for (const [i, series] of instruments.entries()) {
    const all = made.right[i] as Float32Array
    const rowsTo = (bar: number) => all.subarray(0, Math.max(0, bar + 1 - lookBack) * width)
    const kept = rowsTo(lastBars[i] as number)
    given.push(kept)
    seen.push(rowsTo(series.openTime.findLastIndex((_, bar) => closeTimeAt(series, bar) <= seenTo)))
    offsets.push(steps - lookBack)
    steps += kept.length / width
  }
  const { normalisation, scaling, series } = yield* normalisedBy(joined(seen), joined(given), input)
  yield
  const windowsOf = (part: QuestionRows, labels: Uint8Array | undefined): TrainingRows => ({
    ends: part.bar.map((bar, i) => bar + (offsets[part.instrument[i] as number] as number)),
    ...(classes === null || labels === undefined
      ? { targets: Float32Array.from(part.z), weights: new Float32Array(part.rows).fill(1) }
      : {
          targets: oneHot(labels, classes.names.length),
          weights: Float32Array.from(labels, (label) => classes.weights[label] as number)
        })
  })
  return Either.right({
    ...parts,
    normalisation,
    scaling,
    classes,
    data: {
      features: width,
      length: input.length,
      width: classes?.names.length ?? 1,
      series,
      training: windowsOf(parts.training, classes?.training),
      validation: windowsOf(parts.validation, classes?.validation)
    }
  })
}

/** [rows, classes] */
const oneHot = (labels: Uint8Array, classes: number): Float32Array => {
  const targets = new Float32Array(labels.length * classes)
  labels.forEach((label, i) => {
    targets[i * classes + label] = 1
  })
  return targets
}

const joined = (parts: ReadonlyArray<Float32Array>): Float32Array => {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Of each instrument the bar of its last row; -1 where it has none. */
const lastBarsOf = (instruments: number, ...parts: ReadonlyArray<QuestionRows>): Int32Array => {
  const last = new Int32Array(instruments).fill(-1)
  for (const { bar, instrument } of parts) {
    instrument.forEach((one, i) => {
      last[one] = Math.max(last[one] as number, bar[i] as number)
    })
  }
  return last
}
