/**
 * Trains a Tiny Recursive Model on rows that are there whole, one class each: epochs of updates by deep supervision,
 * validation in time order after each, an end by patience, checkpoints. What it tells is what Trainer.ts tells.
 *
 * An epoch is as many updates as there are batches in the rows. That is less than all rows: one that does not halt stays
 * for all steps of supervision, and is an update each time. Which rows are taken goes on from epoch to epoch; all are
 * taken, in an order of their own, before any is taken again.
 *
 * Validation is on the averaged parameters, each row after the step at which it halts: as the model is served. Of many
 * rows so many are validated on, evenly spaced: neighbours share most of their horizons, and all steps of supervision
 * of a row cost ten updates.
 *
 * What can go wrong: a loss that is no number any more ends it as diverged, with the best parameters so far; no rows, or
 * rows that do not fit, are refused (TrainingRefused is thrown, as in Trainer.ts).
 * Invariant: a training that goes on from a checkpoint comes to the same bytes as one that was never interrupted.
 */
import { Either } from "effect"
import { contentHash } from "../../protocols/wire/Json.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { TrainingRefused } from "../errors.ts"
import type { Open, TrainingEvent, TrainingOutcome } from "../training/Trainer.ts"
import type { TrmRow } from "./CarriedRows.ts"
import type { TrmCheckpoint } from "./TrmCheckpoint.ts"
import { type TrmEpochsSpec, updatesOf } from "./TrmEpochsSpec.ts"
import { answeringSpec, servedLoss } from "./TrmEvaluation.ts"
import { initialStateOf, makeTrmTraining, servedParameters, type TrmTrainingState } from "./TrmTraining.ts"

/** Rows by their place, in time order. */
export interface TrmRows {
  readonly rows: number
  readonly rowAt: (index: number) => TrmRow
}

type Told<Type extends TrainingEvent["type"]> = Extract<TrainingEvent, { readonly type: Type }>

export type TrmTrainingEvent =
  | Told<"progress">
  | (Omit<Told<"epoch">, "checkpoint"> & { readonly checkpoint: TrmCheckpoint })

export const validationRowsMax = 1_024

/** Fisher and Yates, keyed by seed and pass. */
const shuffled = (rows: number, seed: number, pass: number): Int32Array => {
  const order = Int32Array.from({ length: rows }, (_, i) => i)
  const random = keyedRandom(seed, "trm-rows", pass)
  for (let i = rows - 1; i > 0; i--) {
    const j = random.int(i + 1)
    const held = order[i] as number
    order[i] = order[j] as number
    order[j] = held
  }
  return order
}

/** Row 0, 1, 2, ... of a training: pass after pass over all rows, each in an order of its own. */
const inPasses = ({ rowAt, rows }: TrmRows, seed: number): ((number: number) => TrmRow) => {
  let known: { readonly pass: number; readonly order: Int32Array } = { pass: -1, order: new Int32Array() }
  return (number) => {
    const pass = Math.floor(number / rows)
    if (pass !== known.pass) known = { pass, order: shuffled(rows, seed, pass) }
    return rowAt(known.order[number % rows] as number)
  }
}

/** At most so many of the rows, evenly spaced. */
const thinned = ({ rowAt, rows }: TrmRows, rowsMax: number): TrmRows =>
  rows <= rowsMax
    ? { rows, rowAt }
    : { rows: rowsMax, rowAt: (index) => rowAt(Math.floor(((index + 0.5) * rows) / rowsMax)) }

export async function* trainTrm(options: {
  readonly spec: TrmEpochsSpec
  readonly training: TrmRows
  readonly validation: TrmRows
  readonly open: Open
  /** Rows of a run of the validation. */
  readonly validationRowsPerRun: number
  /** Where it goes on. */
  readonly from?: TrmCheckpoint
}): AsyncGenerator<TrmTrainingEvent, TrainingOutcome> {
  const { from, open, spec, training, validationRowsPerRun } = options
  const refuse = (reason: string) => new TrainingRefused({ network: "trm", reason })
  if (training.rows === 0) throw refuse("there are no rows to train on")
  if (options.validation.rows === 0) throw refuse("there are no rows to validate on")
  const identity = contentHash(spec)
  if (from !== undefined && from.training !== identity) throw refuse("the checkpoint is of another training")

  const state = (checkpoint: TrmCheckpoint): TrmTrainingState => ({
    step: checkpoint.step,
    parameters: checkpoint.parameters,
    moments: checkpoint.moments,
    carried: checkpoint.carried
  })
  const updates = await makeTrmTraining({
    spec: updatesOf(spec),
    rowAt: inPasses(training, spec.seed),
    open,
    ...(from === undefined ? {} : { from: state(from) })
  })
  const { manifest } = updates
  let best = {
    parameters: from?.best ?? new Float32Array(),
    loss: from?.bestLoss ?? null,
    epoch: from?.bestEpoch ?? 0
  }
  const history = [...(from?.history ?? [])]
  const outcome = (reason: TrainingOutcome["reason"]): TrainingOutcome => ({
    reason,
    manifest,
    parameters: best.loss === null ? servedParameters(updates.snapshot()) : best.parameters,
    validationLoss: best.loss ?? Number.POSITIVE_INFINITY,
    epochs: history.length,
    history
  })
  // The last checkpoint of a training that had come to its end: there is nothing to go on with.
  if (from !== undefined && from.epoch - 1 - from.bestEpoch >= spec.patience) return outcome("patience")
  if (from !== undefined && from.epoch >= spec.epochsMax) return outcome("epochs")

  const examples = thinned(options.validation, validationRowsMax)
  const rows = Math.min(validationRowsPerRun, examples.rows)
  const answer = await open(answeringSpec(spec.trm, manifest, rows))
  const validate = (parameters: Float32Array) =>
    servedLoss({
      spec: spec.trm,
      rows,
      supervisionSteps: spec.supervisionSteps,
      run: answer,
      parameters,
      initial: initialStateOf(manifest, parameters),
      examples
    })

  const batches = Math.ceil(training.rows / spec.batchRows)
  for (let epoch = from?.epoch ?? 0; epoch < spec.epochsMax; epoch++) {
    let lossSum = 0
    for (let batch = 1; batch <= batches; batch++) {
      const taken = await updates.step()
      if (Either.isLeft(taken)) {
        if (taken.left._tag === "TrainingDiverged") return outcome("diverged")
        throw refuse(taken.left.message.replace(/\.$/, ""))
      }
      const { loss, rate, step } = taken.right
      lossSum += loss
      yield { type: "progress", epoch, batch, batches, step, loss: lossSum / batch, rate }
    }
    const now = updates.snapshot()
    const served = servedParameters(now)
    const validationLoss = await validate(served)
    if (!Number.isFinite(validationLoss)) return outcome("diverged")
    const trainingLoss = lossSum / batches
    history.push({ training: trainingLoss, validation: validationLoss })
    const isBest = best.loss === null || validationLoss < best.loss
    if (isBest) best = { parameters: served.slice(), loss: validationLoss, epoch }
    const checkpoint: TrmCheckpoint = {
      training: identity,
      epoch: epoch + 1,
      step: now.step,
      bestLoss: best.loss,
      bestEpoch: best.epoch,
      history: [...history],
      parameters: now.parameters,
      moments: now.moments,
      best: best.parameters,
      carried: now.carried
    }
    yield { type: "epoch", epoch, trainingLoss, validationLoss, isBest, checkpoint }
    if (epoch - best.epoch >= spec.patience) return outcome("patience")
  }
  return outcome("epochs")
}
