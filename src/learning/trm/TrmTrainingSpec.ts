/** How a Tiny Recursive Model is trained: what stands in configuration. */
import { Schema } from "effect"
import { OptimiserSpec as Optimiser, type OptimiserSpec, ratesOf } from "../training/Optimiser.ts"
import { ScheduleSpec } from "../training/Schedule.ts"
import { supervisionStepsMax, TrmSpec } from "./TrmSpec.ts"

const Count = Schema.Int.pipe(Schema.positive())

export const TrmTrainingSpec = Schema.Struct({
  trm: TrmSpec,
  optimiser: Optimiser,
  schedule: ScheduleSpec,
  /** Rows of a batch. */
  rows: Count.pipe(Schema.lessThanOrEqualTo(65_536)),
  /** After so many a row halts, whatever the network says. */
  supervisionSteps: Count.pipe(Schema.lessThanOrEqualTo(256)),
  /** Share of the rows that may not halt, at a step, before a random number of steps. */
  exploration: Schema.Finite.pipe(Schema.between(0, 1)),
  /** Of the moving average of the parameters, which is what is evaluated and served. */
  averageDecay: Schema.Finite.pipe(Schema.between(0, 1)),
  seed: Schema.Int
})
export type TrmTrainingSpec = typeof TrmTrainingSpec.Type

/** As published for puzzles. */
export const publishedTraining = (trm: TrmSpec): TrmTrainingSpec => ({
  trm,
  optimiser: { kind: "adam-atan2", beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 1 },
  schedule: { kind: "constant", rate: 1e-4, warmUpSteps: 2_000 },
  rows: 768,
  supervisionSteps: supervisionStepsMax,
  exploration: 0.1,
  averageDecay: 0.999,
  seed: 1
})

/**
 * The rates of a step. Adam-atan2 as the paper's program has it divides the step, and not the moment inside the arc
 * tangent, by 1 - beta1^t: p <- p - rate / (1 - beta1^t) * atan2(m, sqrt(v / (1 - beta2^t))).
 */
export const trmRatesOf = (optimiser: OptimiserSpec, rate: number, step: number): Float32Array => {
  const rates = ratesOf(optimiser, rate, step)
  if (optimiser.kind !== "adam-atan2") return rates
  const { beta1, beta2 } = optimiser
  rates[0] = rate / (1 - beta1 ** step)
  rates[1] = (1 - beta1) / Math.sqrt((1 - beta2) / (1 - beta2 ** step))
  return rates
}
