/**
 * Rows of questions parted by time (70% to learn from, 15% to validate on, 15% held out), and what the training host is
 * given of them. Rows whose horizons touch those of the part that follows are left out of it; what the network sees is
 * normalised by the bars that its training rows have seen. The target is the return in sigmas, or the class of the row; rare
 * classes weigh more in the loss where they are known at the as-of (`classWeights`).
 *
 * What can go wrong: too few rows for the parts to mean anything (TooFewBars), a feature that is not finite
 * (FeatureNotFinite), bars that have no classes (TrainingRefused).
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
import type { BarSeries } from "../../market/BarSeries.ts"
import { barsUntilMature } from "../../market/Label.ts"
import { sequenceFeatures } from "../../market/SequenceFeatures.ts"
import { toMs } from "../../protocols/TimeFrame.ts"
import type { TrainingData, TrainingRows } from "../training-host/TrainingData.ts"
import { type ClassKind, classLabels, classNames } from "./ClassLabels.ts"
import { type FeatureNotFinite, TooFewBars } from "./errors.ts"
import { barsBeforeOf, type ModelInput, sequenceSeries } from "./ModelInput.ts"
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
  readonly data: TrainingData
  /** Null where the network answers with a return. */
  readonly classes: TrainingClasses | null
}

export interface TrainingSetOptions extends Omit<QuestionOptions, "barsBefore" | "matured"> {
  /** For messages. */
  readonly path: string
  readonly input: ModelInput & { readonly kind: "sequence" }
  readonly classes?: ClassKind | null
}

type Parts = Pick<TrainingSet, "training" | "validation" | "heldOut">

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

export function* makeTrainingSet(
  instruments: ReadonlyArray<BarSeries>,
  options: TrainingSetOptions
): Steps<Either.Either<TrainingSet, TooFewBars | FeatureNotFinite | TrainingRefused>> {
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
  const rowsMin = Math.ceil(partRowsMin / (1 - shares.train - shares.test)) + 2 * after * instruments.length
  if (rows.rows < rowsMin) {
    return tooFew(
      needed + Math.ceil(rowsMin / instruments.length),
      `${spans}, and ${rowsMin} rows, of which there are ${rows.rows}`
    )
  }
  const split = timeOrderedSplit({ start: rows.asOf, end: rows.labelEnd }, { ...shares, embargoMs: 0 })
  yield
  if (Either.isLeft(split)) return tooFew(needed + rowsMin, split.left.message)
  const parts = {
    training: pickRows(rows, split.right.train),
    validation: pickRows(rows, split.right.validation),
    heldOut: pickRows(rows, split.right.test)
  }
  const named = options.classes ?? null
  const labelled = named === null ? null : yield* classesOf(named, parts, options.costs)
  if (labelled !== null && Either.isLeft(labelled)) return Either.left(labelled.left)
  const classes = labelled === null ? null : labelled.right

  const features = sequenceFeatures[input.features]
  const width = features.names.length
  const lastBars = lastBarsOf(instruments.length, parts.training, parts.validation)
  const offsets: Array<number> = []
  const given: Array<Float32Array> = []
  const seen: Array<Float32Array> = []
  const seenTo = parts.training.asOf.at(-1) as number
  let steps = 0
  for (const [i, series] of instruments.entries()) {
    const made = yield* sequenceSeries(input.features, series)
    if (Either.isLeft(made)) return Either.left(made.left)
    const frame = toMs(series.timeFrame)
    const rowsTo = (bar: number) => made.right.subarray(0, Math.max(0, bar + 1 - features.lookBack) * width)
    const kept = rowsTo(lastBars[i] as number)
    given.push(kept)
    seen.push(rowsTo(series.openTime.findLastIndex((time) => time + frame <= seenTo)))
    offsets.push(steps - features.lookBack)
    steps += kept.length / width
  }
  const normalisation = fitNormalisation(joined(seen), width)
  yield
  const series = normalise(joined(given), normalisation, width)
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
