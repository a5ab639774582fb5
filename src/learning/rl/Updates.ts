/** What every learner of a network keeps, and how a run of updates moves it on. */
import { keyedRandom } from "../../protocols/wire/KeyedRandom.ts"
import { type OptimiserSpec, rateCount, ratesOf } from "../training/Optimiser.ts"
import type { Fed, Run } from "../training/Trainer.ts"
import type { TrainingGraphs } from "../training/TrainingGraphs.ts"

/** All that was learned. */
export interface LearnerState {
  readonly parameters: Float32Array
  /** The optimiser's. */
  readonly moments: ReadonlyArray<Float32Array>
  readonly updates: number
}

export const firstState = ({ initial, manifest, moments }: TrainingGraphs, seed: number): LearnerState => ({
  parameters: initial(seed),
  moments: Array.from({ length: moments }, () => new Float32Array(manifest.size)),
  updates: 0
})

/** A seed of its own for each of several learners. */
export const seedOf = (seed: number, learner: number): number =>
  keyedRandom(seed, "learner", learner).int(2 ** 31)

export interface Updated {
  /** The one before where the updates diverged. */
  readonly state: LearnerState
  /** Mean over the updates; no number where a loss or a parameter is none any more. */
  readonly loss: number
  /** What the updates gave out besides, by name. */
  readonly outputs: Readonly<Record<string, Float32Array>>
}

/** The numbers of a flat vector. */
export const flat = (data: Float32Array): Fed => ({ shape: [data.length], data })

/** Cuts rows of the given shape into batches: [batches, rows, ...shape]. */
export const stacked =
  (batches: number, rows: number) =>
  (data: Float32Array, ...shape: ReadonlyArray<number>): Fed => ({ shape: [batches, rows, ...shape], data })

/**
 * @param run of a graph of `count` steps
 * @param batches its fields; all rows weigh the same
 */
export const runUpdates = async (
  run: Run,
  { moments, parameters, updates }: LearnerState,
  {
    count,
    learningRate,
    optimiser,
    rows
  }: {
    readonly count: number
    readonly rows: number
    readonly optimiser: OptimiserSpec
    readonly learningRate: number
  },
  batches: Readonly<Record<string, Fed>>
): Promise<Updated> => {
  const rates = new Float32Array(count * rateCount)
  for (let k = 0; k < count; k++) {
    rates.set(ratesOf(optimiser, learningRate, updates + k + 1), k * rateCount)
  }
  const outputs = await run({
    parameters: flat(parameters),
    ...Object.fromEntries(moments.map((moment, i) => [`moment${i}`, flat(moment)])),
    ...batches,
    weights: stacked(count, rows)(new Float32Array(count * rows).fill(1)),
    rates: { shape: [count, rateCount], data: rates }
  })
  const losses = outputs.losses as Float32Array
  const after = outputs["next-parameters"] as Float32Array
  // The losses are those before each update: of the last one only the parameters tell.
  const loss = after.every(Number.isFinite) ? losses.reduce((sum, one) => sum + one, 0) / count : Number.NaN
  const next = {
    parameters: after,
    moments: moments.map((_, i) => outputs[`next-moment${i}`] as Float32Array),
    updates: updates + count
  }
  return { state: Number.isFinite(loss) ? next : { parameters, moments, updates }, loss, outputs }
}

/** What a rate has fallen to at a share of all steps, along a line to so much of it. */
export const fallen = (rate: number, end: number, share: number): number =>
  rate * (1 + (end - 1) * Math.min(1, share))
