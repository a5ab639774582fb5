/**
 * How each kind of training runs over its data, behind one face: what the host tells, stops, checkpoints and goes on with
 * is the same for all.
 *
 * What can go wrong: data that are not of the kind (the left of `courseOf` says why, as the end of a sentence).
 * Invariant: a file of one kind of checkpoint is unreadable as that of the other.
 */
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { Either } from "effect"
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../learning/training/Checkpoint.ts"
import { windowDataset } from "../../learning/training/Dataset.ts"
import {
  type Open,
  type TrainingEvent,
  type TrainingOutcome,
  train
} from "../../learning/training/Trainer.ts"
import {
  decodeTrmCheckpoint,
  encodeTrmCheckpoint,
  type TrmCheckpoint
} from "../../learning/trm/TrmCheckpoint.ts"
import { type TrmRows, trainTrm } from "../../learning/trm/TrmEpochs.ts"
import type { HostTraining } from "./HostTraining.ts"
import { trmRowsPerRun } from "./RunSizes.ts"
import type { TrainingData, TrainingRows } from "./TrainingData.ts"

type Told<Type extends TrainingEvent["type"]> = Extract<TrainingEvent, { readonly type: Type }>

export type CourseEvent = Told<"progress"> | (Told<"epoch"> & { readonly encoded: () => Uint8Array })

/** Runs to the end, from a checkpoint where there is one. */
export type Course = (from: Checkpoint | undefined) => AsyncGenerator<CourseEvent, TrainingOutcome>

export const readCheckpoint = async (
  spec: HostTraining,
  path: string
): Promise<Checkpoint | TrmCheckpoint | "none" | "unreadable"> => {
  if (!existsSync(path)) return "none"
  const decode = "trm" in spec ? decodeTrmCheckpoint : decodeCheckpoint
  return Either.getOrElse(decode(await readFile(path)), () => "unreadable" as const)
}

/** The same events, each checkpoint with its bytes. */
async function* encoded<C extends Checkpoint>(
  running: AsyncGenerator<
    Told<"progress"> | (Omit<Told<"epoch">, "checkpoint"> & { readonly checkpoint: C }),
    TrainingOutcome
  >,
  encode: (checkpoint: C) => Uint8Array
): AsyncGenerator<CourseEvent, TrainingOutcome> {
  for (;;) {
    const { done, value } = await running.next()
    if (done === true) return value
    if (value.type === "progress") yield value
    else yield { ...value, encoded: () => encode(value.checkpoint) }
  }
}

/** Rows of one class each, which is where their target is 1. */
const classRows = (
  name: string,
  { features, series, width }: TrainingData,
  { ends, targets, weights }: TrainingRows
): Either.Either<TrmRows, string> => {
  const labels = new Int32Array(ends.length)
  for (let row = 0; row < ends.length; row++) {
    const target = targets.subarray(row * width, (row + 1) * width)
    const label = target.indexOf(1)
    if (label < 0 || target.some((share, k) => share !== (k === label ? 1 : 0))) {
      return Either.left(`row ${row + 1} of the targets of ${name} names no class`)
    }
    if (weights[row] !== 1) {
      return Either.left(
        `row ${row + 1} of the weights of ${name} is ${weights[row]}, where all count the same`
      )
    }
    labels[row] = label
  }
  return Either.right({
    rows: ends.length,
    rowAt: (index) => {
      const end = ends[index] as number
      return {
        inputs: series.subarray(end * features, (end + 1) * features),
        labels: [labels[index] as number]
      }
    }
  })
}

export const courseOf = (
  spec: HostTraining,
  data: TrainingData,
  open: Open
): Either.Either<Course, string> => {
  if (!("trm" in spec)) {
    const { features, length, series } = data
    const [training, validation] = [data.training, data.validation].map((rows) =>
      windowDataset({ series, features, length, ...rows })
    ) as [ReturnType<typeof windowDataset>, ReturnType<typeof windowDataset>]
    return Either.right((from) =>
      encoded(
        train({ spec, training, validation, open, ...(from === undefined ? {} : { from }) }),
        encodeCheckpoint
      )
    )
  }
  if (spec.trm.task.kind !== "features") return Either.left("it has features, the network takes tokens")
  return Either.gen(function* () {
    const training = yield* classRows("training", data, data.training)
    const validation = yield* classRows("validation", data, data.validation)
    const validationRowsPerRun = trmRowsPerRun(spec.trm)
    return (from: Checkpoint | undefined) =>
      encoded(
        trainTrm({
          ...{ spec, training, validation, open, validationRowsPerRun },
          ...(from !== undefined && "carried" in from ? { from: from as TrmCheckpoint } : {})
        }),
        encodeTrmCheckpoint
      )
  })
}
