/**
 * The rows that a training carries from one supervision step to the next: each stays, with its states, until it halts,
 * and another takes its place.
 *
 * A row halts when its q is above 0, not before a random number of steps where it explores, and always after the last
 * step (Jolicoeur-Martineau, 2025). What is random follows from (seed, step) alone.
 */
import { Either } from "effect"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { RowRefused } from "../errors.ts"
import { ignoredLabel } from "./TrmLoss.ts"
import { answersOf, classesOf, inputsOf, placesOf, type TrmTask } from "./TrmSpec.ts"
import type { TrmTrainingSpec } from "./TrmTrainingSpec.ts"

/** A puzzle with its solution, or features with their class. */
export interface TrmRow {
  readonly inputs: ArrayLike<number>
  readonly labels: ArrayLike<number>
}

export interface CarriedRows {
  /** [rows, ...], one after the other. */
  readonly inputs: Float32Array
  readonly labels: Float32Array
  readonly y: Float32Array
  readonly z: Float32Array
  /** Supervision steps that each row has had. */
  readonly steps: Int32Array
  /** 1 where another row is to take the place. */
  readonly halted: Uint8Array
  /** Rows that were taken so far. */
  readonly taken: number
}

/** Vectors of a state's width. */
export interface InitialState {
  readonly y: Float32Array
  readonly z: Float32Array
}

/** Places without rows: all are halted. */
export const emptyRows = ({ rows, trm: { sizes, task } }: TrmTrainingSpec): CarriedRows => {
  const state = rows * placesOf(task) * sizes.width
  return {
    inputs: new Float32Array(rows * inputsOf(task)),
    labels: new Float32Array(rows * answersOf(task)),
    y: new Float32Array(state),
    z: new Float32Array(state),
    steps: new Int32Array(rows),
    halted: new Uint8Array(rows).fill(1),
    taken: 0
  }
}

const isClass = (value: number, classes: number) => Number.isInteger(value) && value >= 0 && value < classes

/** Why a row cannot be learned from, if it cannot. */
export const checkRow = (task: TrmTask, row: TrmRow, number: number): Either.Either<TrmRow, RowRefused> => {
  const refuse = (column: string, reason: string) =>
    Either.left(new RowRefused({ row: number, column, reason }))
  const { inputs, labels } = row
  if (inputs.length !== inputsOf(task)) return refuse("inputs", `are ${inputs.length}, not ${inputsOf(task)}`)
  if (labels.length !== answersOf(task))
    return refuse("labels", `are ${labels.length}, not ${answersOf(task)}`)
  const inputFits = (value: number) =>
    task.kind === "tokens" ? isClass(value, task.vocabulary) : Number.isFinite(Math.fround(value))
  const classes = classesOf(task)
  for (let i = 0; i < inputs.length; i++) {
    if (!inputFits(inputs[i] as number)) return refuse(`input ${i}`, `is ${inputs[i]}`)
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number
    if (label !== ignoredLabel && !isClass(label, classes)) return refuse(`label ${i}`, `is ${label}`)
  }
  return Either.right(row)
}

/** Gives the places of halted rows to the next ones, from the beginning. Where one is refused, nothing is changed. */
export const refilled = (
  carried: CarriedRows,
  task: TrmTask,
  initial: InitialState,
  rowAt: (number: number) => TrmRow
): Either.Either<CarriedRows, RowRefused> => {
  let { taken } = carried
  const next = {
    inputs: carried.inputs.slice(),
    labels: carried.labels.slice(),
    y: carried.y.slice(),
    z: carried.z.slice(),
    steps: carried.steps.slice(),
    halted: new Uint8Array(carried.halted.length)
  }
  const places = placesOf(task)
  const width = initial.y.length
  for (let place = 0; place < carried.halted.length; place++) {
    if (carried.halted[place] === 0) continue
    const row = checkRow(task, rowAt(taken), taken)
    if (Either.isLeft(row)) return Either.left(row.left)
    taken++
    next.inputs.set(row.right.inputs, place * inputsOf(task))
    next.labels.set(row.right.labels, place * answersOf(task))
    for (let i = place * places; i < (place + 1) * places; i++) {
      next.y.set(initial.y, i * width)
      next.z.set(initial.z, i * width)
    }
    next.steps[place] = 0
  }
  return Either.right({ ...next, taken })
}

/** Takes in what a supervision step came to, and says which rows halt. */
export const advanced = (
  carried: CarriedRows,
  results: {
    readonly y: Float32Array
    readonly z: Float32Array
    /** q of each row. */
    readonly halting: ArrayLike<number>
  },
  { exploration, seed, supervisionSteps }: TrmTrainingSpec,
  step: number
): CarriedRows => {
  const random = keyedRandom(seed, "halting", step)
  const steps = carried.steps.map((count) => count + 1)
  const halted = Uint8Array.from(steps, (count, row) => {
    const isLast = count >= supervisionSteps
    // Without a choice there is nothing to explore.
    if (supervisionSteps === 1) return 1
    const least = random.next() < exploration ? 2 + random.int(supervisionSteps - 1) : 0
    return (isLast || (results.halting[row] as number) > 0) && count >= least ? 1 : 0
  })
  return { ...carried, y: results.y, z: results.z, steps, halted }
}
