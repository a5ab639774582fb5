/**
 * One training, within the process that trains: checks what it is given, goes on from the last checkpoint, keeps one
 * after every epoch, and may be stopped between any two runs.
 *
 * What can go wrong is in the outcome: data or a training that are refused, a loss that is no number any more (the best
 * parameters so far are kept), an exception of the runtime.
 * Invariant: a checkpoint is on disk before its epoch is told.
 */
import { createHash } from "node:crypto"
import { statSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { Either, Schema } from "effect"
import { GraphInvalid, TrainingRefused } from "../../learning/errors.ts"
import type { Checkpoint } from "../../learning/training/Checkpoint.ts"
import type { Open } from "../../learning/training/Trainer.ts"
import { courseOf, readCheckpoint } from "./Course.ts"
import { TrainingDataUnfit } from "./errors.ts"
import { type Ended, type HostEvent, type NextAnswer, Refusal, type TrainHeader } from "./frames.ts"
import { type HostTraining, rowShape, trainingName } from "./HostTraining.ts"
import { parameterCount } from "./RunSizes.ts"
import { decodeTrainingData, type TrainingData, trainingDataLimits } from "./TrainingData.ts"
import { writeWholeFile } from "./wholeFile.ts"

/** Asked to stop. */
class Stopped extends Error {}

export interface Outcome {
  readonly header: NonNullable<NextAnswer["outcome"]>
  readonly body?: Uint8Array
}

const readData = async ({ digest, path }: TrainHeader["data"], spec: HostTraining): Promise<TrainingData> => {
  const unfit = (reason: string) => new TrainingDataUnfit({ path, reason })
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) throw unfit("there is no such file")
  if (size > trainingDataLimits.bytes)
    throw unfit(`it has ${size} bytes, ${trainingDataLimits.bytes} are allowed`)
  const bytes = await readFile(path)
  const actual = createHash("sha256").update(bytes).digest("hex")
  if (actual !== digest) throw unfit(`its digest is ${actual}, not ${digest}`)
  const data = Either.getOrThrowWith(decodeTrainingData(bytes), unfit)
  const { features, length, outputs, width } = rowShape(spec)
  for (const [what, has, wants] of [
    ["features", data.features, features],
    ["steps a window", data.length, length],
    ["numbers a target", data.width, width]
  ] as const) {
    if (has !== wants) throw unfit(`it has ${has} ${what}, the network takes ${wants} (${outputs} outputs)`)
  }
  return data
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/**
 * @param open gives the function for each graph
 * @param isStopped looked at before every run
 */
export const work = async (
  { checkpoint: checkpointPath, data: named, spec }: TrainHeader,
  options: {
    readonly open: Open
    readonly isStopped: () => boolean
    readonly tell: (event: HostEvent) => void
  }
): Promise<Outcome> => {
  const { isStopped, tell } = options
  let latest: Checkpoint | undefined
  const ended = (reason: Ended["reason"]): Outcome => ({
    header: { ended: { reason, validationLoss: latest?.bestLoss ?? null, history: latest?.history ?? [] } },
    body: bytesOf(latest?.best ?? new Float32Array())
  })
  const stoppable: Open = async (graph) => {
    if (isStopped()) throw new Stopped()
    const run = await options.open(graph)
    return (feeds) => {
      if (isStopped()) throw new Stopped()
      return run(feeds)
    }
  }
  try {
    const parameters = Either.getOrThrowWith(
      parameterCount("trm" in spec ? spec.trm : spec.network),
      (refused) => refused
    )
    const data = await readData(named, spec)
    const course = Either.getOrThrowWith(
      courseOf(spec, data, stoppable),
      (reason) => new TrainingDataUnfit({ path: named.path, reason })
    )
    const found = await readCheckpoint(spec, checkpointPath)
    latest = typeof found === "string" ? undefined : found
    tell({
      type: "started",
      parameters,
      trainingRows: data.training.ends.length,
      validationRows: data.validation.ends.length,
      epoch: latest?.epoch ?? 0,
      step: latest?.step ?? 0,
      batches: Math.ceil(data.training.ends.length / spec.batchRows),
      checkpoint: typeof found === "string" ? found : "resumed"
    })
    const running = course(latest)
    for (;;) {
      const { done, value } = await running.next()
      if (done === true) return ended(value.reason)
      if (value.type === "progress") tell(value)
      else {
        const { checkpoint, encoded, ...epoch } = value
        await writeWholeFile(checkpointPath, [encoded()])
        latest = checkpoint
        tell({ ...epoch, step: checkpoint.step })
      }
    }
  } catch (cause) {
    if (cause instanceof Stopped) return ended("cancelled")
    if (cause instanceof TrainingRefused || cause instanceof TrainingDataUnfit) {
      return { header: { refused: Schema.encodeSync(Refusal)(cause) } }
    }
    if (cause instanceof GraphInvalid) {
      const refused = new TrainingRefused({ network: trainingName(spec), reason: cause.reason })
      return { header: { refused: Schema.encodeSync(Refusal)(refused) } }
    }
    return { header: { failed: cause instanceof Error ? cause.message : String(cause) } }
  }
}
