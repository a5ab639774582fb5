/** How a Tiny Recursive Model is trained on rows that are there whole: in epochs, with validation and patience. */
import { Schema } from "effect"
import { adamAtan2 } from "../training/Optimiser.ts"
import { supervisionStepsMax, type TrmSpec } from "./TrmSpec.ts"
import { TrmTrainingSpec } from "./TrmTrainingSpec.ts"

const Count = Schema.Int.pipe(Schema.positive())

const { rows, ...fields } = TrmTrainingSpec.fields

export const TrmEpochsSpec = Schema.Struct({
  ...fields,
  /** Rows of a batch. An epoch is as many updates as there are batches in the rows. */
  batchRows: rows,
  epochsMax: Count,
  /** Epochs without a better validation loss after which it ends. */
  patience: Count
})
export type TrmEpochsSpec = typeof TrmEpochsSpec.Type

/** The description of the training by updates that runs within the epochs. */
export const updatesOf = ({
  batchRows,
  epochsMax: _,
  patience: __,
  ...rest
}: TrmEpochsSpec): TrmTrainingSpec => ({
  ...rest,
  rows: batchRows
})

/**
 * For rows of markets: thousands of them, of which little can be learned. The published puzzles take a rate a tenth as
 * high, an average ten times as long and a warm-up of 2,000 updates, over a hundred thousand of them.
 */
export const trmEpochsDefaults = (trm: TrmSpec): TrmEpochsSpec => ({
  trm,
  optimiser: adamAtan2,
  schedule: { kind: "constant", rate: 0.001, warmUpSteps: 50 },
  batchRows: 32,
  supervisionSteps: supervisionStepsMax,
  exploration: 0.1,
  averageDecay: 0.99,
  seed: 1,
  epochsMax: 50,
  patience: 5
})
