/**
 * Trains a network: epochs over shuffled batches, validation in time order after each, an end by patience, checkpoints.
 *
 * It holds no runtime: `open` gives it a function for each graph it needs. It is a generator of what has happened, so
 * that whoever drives it may stop between two runs, and keep the checkpoints that it gives out.
 *
 * What can go wrong: a loss that is no number any more ends it as diverged, with the best parameters so far; data
 * shorter than a batch or a network that asks for too much memory are refused before any time is spent.
 * Invariants: the order of the rows follows from (seed, epoch), masks from (seed, step, layer): a training that goes on
 * from a checkpoint comes to the same bytes as one that was never interrupted.
 */
import { contentHash, sha256 } from "../../protocols/wire/Json.ts"
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { TrainingRefused } from "../errors.ts"
import type { Manifest } from "../graph/Parameters.ts"
import type { OnnxSpec } from "../graph/toOnnx.ts"
import { trainableOf } from "../networks/models.ts"
import type { Checkpoint } from "./Checkpoint.ts"
import type { Dataset } from "./Dataset.ts"
import { fillMask } from "./masks.ts"
import { rateCount, ratesOf } from "./Optimiser.ts"
import { rateAt } from "./Schedule.ts"
import { type Trainable, type TrainingGraphs, trainingGraphs } from "./TrainingGraphs.ts"
import { hashOf, type TrainingSpec } from "./TrainingSpec.ts"

export interface Fed {
  readonly shape: ReadonlyArray<number>
  readonly data: Float32Array
}

/** One run of a graph: inputs by name in, outputs by name out. */
export type Run = (feeds: Readonly<Record<string, Fed>>) => Promise<Readonly<Record<string, Float32Array>>>

export type Open = (spec: OnnxSpec) => Promise<Run>

export type TrainingEvent =
  | {
      readonly type: "progress"
      readonly epoch: number
      readonly batch: number
      readonly batches: number
      readonly step: number
      /** Mean of the epoch so far. */
      readonly loss: number
      readonly rate: number
    }
  | {
      readonly type: "epoch"
      readonly epoch: number
      readonly trainingLoss: number
      readonly validationLoss: number
      readonly isBest: boolean
      readonly checkpoint: Checkpoint
    }

export interface TrainingOutcome {
  readonly reason: "epochs" | "patience" | "diverged"
  readonly manifest: Manifest
  /** Those of the least validation loss. */
  readonly parameters: Float32Array
  readonly validationLoss: number
  readonly epochs: number
  readonly history: Checkpoint["history"]
}

/** Bytes that a training may take for parameters, moments, gradients and one batch's activations, roughly. */
export const memoryBytesMax = 2 * 2 ** 30

const countOf = (shape: ReadonlyArray<number>) => shape.reduce((product, size) => product * size, 1)

/** Fisher and Yates, keyed by seed and epoch. */
const shuffled = (rows: number, seed: number, epoch: number): Int32Array => {
  const order = Int32Array.from({ length: rows }, (_, i) => i)
  const random = keyedRandom(seed, "shuffle", epoch)
  for (let i = rows - 1; i > 0; i--) {
    const j = random.int(i + 1)
    const held = order[i] as number
    order[i] = order[j] as number
    order[j] = held
  }
  return order
}

/** The tensors of `count` batches of `rows`, filled up with rows of weight 0. */
const batchOf = (
  graphs: TrainingGraphs,
  data: Dataset,
  indices: Int32Array,
  count: number,
  rows: number
): Record<string, Fed> => {
  const stack = (shape: ReadonlyArray<number>): Fed => {
    const whole = [count, ...shape]
    return { shape: whole, data: new Float32Array(countOf(whole)) }
  }
  const batch = graphs.fields.map(({ name, shape }) => [name, stack(shape)] as const)
  // The network's fields, then the weights.
  const [x, y, ...rest] = batch.map(([, { data: values }]) => values) as [
    Float32Array,
    Float32Array,
    ...ReadonlyArray<Float32Array>
  ]
  const others = rest.slice(0, -1)
  const weights = rest.at(-1) as Float32Array
  for (let at = 0; at < count * rows; at++) {
    const index = indices[at]
    if (index === undefined) break
    data.fill(index, at, x, y, ...others)
    weights[at] = data.weight(index)
  }
  return Object.fromEntries(batch)
}

const dropFirst = (feeds: Record<string, Fed>): Record<string, Fed> =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => [name, { data, shape: shape.slice(1) }])
  )

const flat = (data: Float32Array): Fed => ({ shape: [data.length], data })

/** The mean loss over a data set, weighted. */
export const evaluateWith =
  (graphs: TrainingGraphs, run: Run, rows: number) =>
  async (parameters: Float32Array, data: Dataset): Promise<number> => {
    let total = 0
    let weight = 0
    for (let at = 0; at < data.rows; at += rows) {
      const indices = Int32Array.from({ length: Math.min(rows, data.rows - at) }, (_, i) => at + i)
      const batch = dropFirst(batchOf(graphs, data, indices, 1, rows))
      const { losses } = (await run({ parameters: flat(parameters), ...batch })) as {
        readonly losses: Float32Array
      }
      const weights = (batch.weights as Fed).data
      for (let row = 0; row < indices.length; row++) {
        total += (losses[row] as number) * (weights[row] as number)
        weight += weights[row] as number
      }
    }
    return total / Math.max(weight, 1e-12)
  }

const check = (spec: TrainingSpec, graphs: TrainingGraphs, training: Dataset, validation: Dataset) => {
  const refuse = (reason: string): never => {
    throw new TrainingRefused({ network: spec.network.body.kind, reason })
  }
  if (training.rows === 0) refuse("there are no rows to train on: the data are shorter than a sequence")
  if (validation.rows === 0) refuse("there are no rows to validate on")
  if (spec.microRows !== null && spec.batchRows % spec.microRows !== 0) {
    refuse(`batches of ${spec.batchRows} rows cannot be cut into runs of ${spec.microRows}`)
  }
  const { features, length } = spec.network
  const rows = spec.microRows ?? spec.batchRows
  const bytes = 4 * (graphs.manifest.size * (4 + graphs.moments) + rows * length * features * 64)
  if (bytes > memoryBytesMax) refuse(`it would take about ${Math.ceil(bytes / 2 ** 30)} GiB of memory`)
}

/** Another loss of the same network, over fields of its own: x and y first. */
export interface Objective {
  readonly trainable: Trainable
  /** What tells it from others: a checkpoint belongs to one of them. */
  readonly identity: string
}

const digestOf = (values: Float32Array | undefined): string | null =>
  values === undefined ? null : sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))

const identityOf = (
  spec: TrainingSpec,
  objective: Objective | undefined,
  initial: Float32Array | undefined,
  trained: Float32Array | undefined
): string =>
  objective === undefined && initial === undefined && trained === undefined
    ? hashOf(spec)
    : contentHash([hashOf(spec), objective?.identity ?? null, digestOf(initial), digestOf(trained)])

export async function* train(options: {
  readonly spec: TrainingSpec
  readonly training: Dataset
  readonly validation: Dataset
  readonly open: Open
  /** Where it goes on. */
  readonly from?: Checkpoint
  /** What it has less of at the end, where that is not the network's own loss. */
  readonly objective?: Objective
  /** Parameters to begin with, where they are not drawn by the seed. */
  readonly initial?: Float32Array
  /** [size], 1 for each number that is trained, 0 for one that keeps its first value. */
  readonly trained?: Float32Array
}): AsyncGenerator<TrainingEvent, TrainingOutcome> {
  const { from, objective, open, spec, trained, training, validation } = options
  const { averageDecay, batchRows, gradientNormMax, microRows, seed } = spec
  const rows = microRows ?? batchRows
  const graphs = trainingGraphs(objective?.trainable ?? trainableOf(spec.network), {
    rows,
    optimiser: spec.optimiser,
    ...(gradientNormMax === null ? {} : { gradientNormMax }),
    ...(averageDecay === null ? {} : { averageDecay }),
    ...(trained === undefined ? {} : { trained })
  })
  check(spec, graphs, training, validation)
  for (const given of [options.initial, trained]) {
    if (given === undefined || given.length === graphs.manifest.size) continue
    const reason = `it has ${graphs.manifest.size} parameters, and is given ${given.length}`
    throw new TrainingRefused({ network: spec.network.body.kind, reason })
  }
  const identity = identityOf(spec, objective, options.initial, trained)
  if (from !== undefined && from.training !== identity) {
    throw new TrainingRefused({
      network: spec.network.body.kind,
      reason: "the checkpoint is of another training"
    })
  }

  const initial = from?.parameters ?? options.initial ?? graphs.initial(seed)
  let parameters = initial.slice()
  let moments = from?.moments.map((one) => one.slice()) ?? [
    ...Array.from(
      { length: graphs.moments - (averageDecay === null ? 0 : 1) },
      () => new Float32Array(initial.length)
    ),
    ...(averageDecay === null ? [] : [initial.slice()])
  ]
  let step = from?.step ?? 0
  let best = {
    parameters: from?.best ?? new Float32Array(),
    loss: from?.bestLoss ?? null,
    epoch: from?.bestEpoch ?? 0
  }
  const history = [...(from?.history ?? [])]
  const served = () => (averageDecay === null ? parameters : (moments.at(-1) as Float32Array))

  const outcome = (reason: TrainingOutcome["reason"]): TrainingOutcome => ({
    reason,
    manifest: graphs.manifest,
    parameters: best.loss === null ? initial : best.parameters,
    validationLoss: best.loss ?? Number.POSITIVE_INFINITY,
    epochs: history.length,
    history
  })

  // The last checkpoint of a training that had come to its end: there is nothing to go on with.
  if (from !== undefined && from.epoch - 1 - from.bestEpoch >= spec.patience) return outcome("patience")
  if (from !== undefined && from.epoch >= spec.epochsMax) return outcome("epochs")

  const batches = Math.ceil(training.rows / batchRows)
  const evaluate = evaluateWith(graphs, await open(graphs.evaluate), rows)
  const runs = new Map<number, Run>()
  const stepping = async (count: number): Promise<Run> => {
    const run = runs.get(count) ?? (await open(graphs.steps(count)))
    runs.set(count, run)
    return run
  }
  const accumulating =
    microRows === null
      ? undefined
      : { gradient: await open(graphs.gradient), apply: await open(graphs.apply) }

  const ratesFor = (count: number): Fed => {
    const data = new Float32Array(count * rateCount)
    for (let k = 1; k <= count; k++) {
      data.set(ratesOf(spec.optimiser, rateAt(spec.schedule, step + k), step + k), (k - 1) * rateCount)
    }
    return { shape: [count, rateCount], data }
  }

  const masksFor = (count: number, part: string): Record<string, Fed> =>
    Object.fromEntries(
      graphs.masks.map(({ name, rate, shape }) => {
        const size = countOf(shape)
        const data = new Float32Array(count * size)
        for (let k = 0; k < count; k++) {
          fillMask(data.subarray(k * size, (k + 1) * size), rate, seed, step + k + 1, `${name}${part}`)
        }
        return [name, { shape: [count, ...shape], data }]
      })
    )

  const state = () => ({
    parameters: flat(parameters),
    ...Object.fromEntries(moments.map((moment, i) => [`moment${i}`, flat(moment)]))
  })
  const keep = (results: Readonly<Record<string, Float32Array>>) => {
    parameters = results["next-parameters"] as Float32Array<ArrayBuffer>
    moments = moments.map((_, i) => results[`next-moment${i}`] as Float32Array<ArrayBuffer>)
  }

  /** Whole steps over the given rows; their losses. */
  const fused = async (indices: Int32Array, count: number): Promise<ReadonlyArray<number>> => {
    const run = await stepping(count)
    const results = await run({
      ...batchOf(graphs, training, indices, count, rows),
      ...masksFor(count, ""),
      ...state(),
      rates: ratesFor(count)
    })
    keep(results)
    return [...(results.losses as Float32Array)]
  }

  /** One step, its gradient added up in parts. */
  const accumulated = async (indices: Int32Array, sessions: NonNullable<typeof accumulating>) => {
    const gradient = new Float32Array(parameters.length)
    let loss = 0
    let weight = 0
    for (let at = 0; at < indices.length; at += rows) {
      const part = indices.subarray(at, at + rows)
      const batch = dropFirst(batchOf(graphs, training, part, 1, rows))
      const own = (batch.weights as Fed).data.reduce((sum, one) => sum + one, 0)
      const results = await sessions.gradient({
        parameters: flat(parameters),
        ...batch,
        ...dropFirst(masksFor(1, `/${at}`))
      })
      const added = results.gradient as Float32Array
      for (let i = 0; i < gradient.length; i++)
        gradient[i] = (gradient[i] as number) + own * (added[i] as number)
      loss += own * ((results.loss as Float32Array)[0] as number)
      weight += own
    }
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] as number) / Math.max(weight, 1e-12)
    const rates = ratesFor(1)
    keep(
      await sessions.apply({
        ...state(),
        gradient: flat(gradient),
        rates: { shape: [rateCount], data: rates.data }
      })
    )
    return [loss / Math.max(weight, 1e-12)]
  }

  for (let epoch = from?.epoch ?? 0; epoch < spec.epochsMax; epoch++) {
    const order = shuffled(training.rows, seed, epoch)
    let batch = 0
    let lossSum = 0
    while (batch < batches) {
      const count = accumulating === undefined ? Math.min(spec.stepsPerRun, batches - batch) : 1
      const indices = order.subarray(batch * batchRows, (batch + count) * batchRows)
      const losses =
        accumulating === undefined ? await fused(indices, count) : await accumulated(indices, accumulating)
      for (const loss of losses) lossSum += loss
      if (!Number.isFinite(lossSum)) return outcome("diverged")
      batch += count
      step += count
      const rate = rateAt(spec.schedule, step)
      yield { type: "progress", epoch, batch, batches, step, loss: lossSum / batch, rate }
    }
    const validationLoss = await evaluate(served(), validation)
    if (!Number.isFinite(validationLoss)) return outcome("diverged")
    const trainingLoss = lossSum / batches
    history.push({ training: trainingLoss, validation: validationLoss })
    const isBest = best.loss === null || validationLoss < best.loss
    if (isBest) best = { parameters: served().slice(), loss: validationLoss, epoch }
    const checkpoint: Checkpoint = {
      training: identity,
      epoch: epoch + 1,
      step,
      bestLoss: best.loss,
      bestEpoch: best.epoch,
      history: [...history],
      parameters,
      moments,
      best: best.parameters
    }
    yield { type: "epoch", epoch, trainingLoss, validationLoss, isBest, checkpoint }
    if (epoch - best.epoch >= spec.patience) return outcome("patience")
  }
  return outcome("epochs")
}
