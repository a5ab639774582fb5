/**
 * Trains a Tiny Recursive Model by deep supervision: at each step every row of the batch is improved once, its loss
 * moves the parameters, and its states are carried to the next step, until it halts.
 *
 * It holds no runtime: `open` gives it a function for its graph. Whoever drives it may stop after any step, and go on
 * from a snapshot.
 *
 * What can go wrong: a row that does not fit, or a loss that is no number, comes back as a refusal, and the step was not
 * taken. A snapshot of another training throws TrainingRefused.
 * Invariant: a training that goes on from a snapshot comes to the same bytes as one that was never interrupted.
 */
import { Either } from "effect"
import { type RowRefused, TrainingRefused } from "../errors.ts"
import type { Manifest } from "../graph/Parameters.ts"
import { rateCount } from "../training/Optimiser.ts"
import { rateAt } from "../training/Schedule.ts"
import type { Fed, Open } from "../training/Trainer.ts"
import { trainingGraphs } from "../training/TrainingGraphs.ts"
import {
  advanced,
  type CarriedRows,
  emptyRows,
  type InitialState,
  refilled,
  type TrmRow
} from "./CarriedRows.ts"
import { TrainingDiverged } from "./errors.ts"
import { answersOf, inputsOf, placesOf } from "./TrmSpec.ts"
import { trmOutputs, trmTrainable } from "./TrmTrainable.ts"
import { type TrmTrainingSpec, trmRatesOf } from "./TrmTrainingSpec.ts"

export interface TrmTrainingState {
  /** Updates that are done. */
  readonly step: number
  readonly parameters: Float32Array
  /** Of the optimiser, and at the end the average of the parameters. */
  readonly moments: ReadonlyArray<Float32Array>
  readonly carried: CarriedRows
}

export interface TrmProgress {
  readonly step: number
  readonly rate: number
  /** Means over the rows. */
  readonly loss: number
  readonly answerLoss: number
  readonly haltLoss: number
  /** Rows that halted at this step, how many of them were all right, and the steps that they took together. */
  readonly halted: number
  readonly right: number
  readonly haltedSteps: number
}

export interface TrmTraining {
  readonly manifest: Manifest
  readonly step: () => Promise<Either.Either<TrmProgress, RowRefused | TrainingDiverged>>
  readonly snapshot: () => TrmTrainingState
}

/** The parameters that are evaluated and served: the average. */
export const servedParameters = ({ moments, parameters }: TrmTrainingState): Float32Array =>
  moments.at(-1) ?? parameters

const meanOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** How the states of every row begin, by the parameters. */
export const initialStateOf = ({ entries }: Manifest, parameters: Float32Array): InitialState => {
  const of = (name: string) => {
    const entry = entries.find((one) => one.name === name)
    const offset = entry?.offset ?? 0
    return parameters.slice(offset, offset + (entry?.shape[0] ?? 0))
  }
  return { y: of("y-initial"), z: of("z-initial") }
}

/** Whether two states are of the same sizes. */
const fits = (a: TrmTrainingState, b: TrmTrainingState): boolean =>
  a.parameters.length === b.parameters.length &&
  a.moments.length === b.moments.length &&
  a.carried.halted.length === b.carried.halted.length &&
  a.carried.inputs.length === b.carried.inputs.length &&
  a.carried.y.length === b.carried.y.length

export const makeTrmTraining = async (options: {
  readonly spec: TrmTrainingSpec
  /** Row 0, 1, 2, ...: as many as are asked for. */
  readonly rowAt: (number: number) => TrmRow
  readonly open: Open
  /** Where it goes on. */
  readonly from?: TrmTrainingState
}): Promise<TrmTraining> => {
  const { open, rowAt, spec } = options
  const { averageDecay, optimiser, rows, trm } = spec
  const { task } = trm
  const graphs = trainingGraphs(trmTrainable(trm), { rows, optimiser, averageDecay })
  const run = await open(graphs.steps(1))
  const begin = (): TrmTrainingState => {
    const parameters = graphs.initial(spec.seed)
    const zeros = Array.from({ length: graphs.moments - 1 }, () => new Float32Array(parameters.length))
    return { step: 0, parameters, moments: [...zeros, parameters.slice()], carried: emptyRows(spec) }
  }
  let state = options.from ?? begin()
  if (!fits(state, begin())) {
    throw new TrainingRefused({ network: "trm", reason: "the snapshot is of another training" })
  }
  const initial = initialStateOf(graphs.manifest, state.parameters)
  const weights = new Float32Array(rows).fill(1)

  const feeds = (carried: CarriedRows, rates: Float32Array): Readonly<Record<string, Fed>> => {
    const places = [1, rows, placesOf(task), trm.sizes.width]
    const flat = (data: Float32Array): Fed => ({ shape: [data.length], data })
    return {
      parameters: flat(state.parameters),
      ...Object.fromEntries(state.moments.map((moment, i) => [`moment${i}`, flat(moment)])),
      inputs: { shape: [1, rows, inputsOf(task)], data: carried.inputs },
      labels: { shape: [1, rows, answersOf(task)], data: carried.labels },
      y: { shape: places, data: carried.y },
      z: { shape: places, data: carried.z },
      weights: { shape: [1, rows], data: weights },
      rates: { shape: [1, rateCount], data: rates }
    }
  }

  const step = async (): Promise<Either.Either<TrmProgress, RowRefused | TrainingDiverged>> => {
    const number = state.step + 1
    const filled = refilled(state.carried, task, initial, rowAt)
    if (Either.isLeft(filled)) return Either.left(filled.left)
    const rate = rateAt(spec.schedule, number)
    const results = await run(feeds(filled.right, trmRatesOf(optimiser, rate, number)))
    const of = (name: string) => results[name] as Float32Array
    const loss = of("losses")[0] as number
    if (!Number.isFinite(loss)) return Either.left(new TrainingDiverged({ step: number }))
    const carried = advanced(
      filled.right,
      { y: of(trmOutputs.y), z: of(trmOutputs.z), halting: of(trmOutputs.halting) },
      spec,
      number
    )
    state = {
      step: number,
      parameters: of("next-parameters"),
      moments: state.moments.map((_, i) => of(`next-moment${i}`)),
      carried
    }
    const sumOfHalted = (values: ArrayLike<number>) =>
      carried.halted.reduce((sum, is, row) => sum + is * (values[row] as number), 0)
    return Either.right({
      step: number,
      rate,
      loss,
      answerLoss: meanOf(of(trmOutputs.answerLosses)),
      haltLoss: meanOf(of(trmOutputs.haltLosses)),
      halted: carried.halted.reduce((sum, is) => sum + is, 0),
      right: sumOfHalted(of(trmOutputs.isRight)),
      haltedSteps: sumOfHalted(carried.steps)
    })
  }

  return { manifest: graphs.manifest, step, snapshot: () => state }
}
