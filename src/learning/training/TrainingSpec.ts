/** How a network is trained: what stands in configuration, and what a checkpoint belongs to. */
import { Schema } from "effect"
import { contentHash } from "../../protocols/wire/Json.ts"
import { NetworkSpec } from "../networks/NetworkSpec.ts"
import { adam, OptimiserSpec } from "./Optimiser.ts"
import { ScheduleSpec } from "./Schedule.ts"

const Count = Schema.Int.pipe(Schema.positive())

export const TrainingSpec = Schema.Struct({
  network: NetworkSpec,
  optimiser: OptimiserSpec,
  schedule: ScheduleSpec,
  /** Rows of a batch. */
  batchRows: Count.pipe(Schema.lessThanOrEqualTo(65_536)),
  /** Rows of a run, where a whole batch would take too long: their gradients are added up. Divides the batch. */
  microRows: Schema.NullOr(Count),
  /** Whole steps of one run. */
  stepsPerRun: Count.pipe(Schema.lessThanOrEqualTo(1_000)),
  epochsMax: Count,
  /** Epochs without a better validation loss after which it ends. */
  patience: Count,
  gradientNormMax: Schema.NullOr(Schema.Finite.pipe(Schema.positive())),
  /** Of the moving average of the parameters, which is what is validated and served; null for none. */
  averageDecay: Schema.NullOr(Schema.Finite.pipe(Schema.between(0, 1))),
  seed: Schema.Int
})
export type TrainingSpec = typeof TrainingSpec.Type

export const trainingDefaults = (network: NetworkSpec): TrainingSpec => ({
  network,
  optimiser: adam,
  schedule: { kind: "constant", rate: 0.001, warmUpSteps: 0 },
  batchRows: 32,
  microRows: null,
  stepsPerRun: 1,
  epochsMax: 50,
  patience: 5,
  gradientNormMax: 1,
  averageDecay: null,
  seed: 1
})

export const hashOf = (spec: TrainingSpec): string => contentHash(spec)
