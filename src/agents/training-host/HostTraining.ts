/** What the training host can be asked to train: a network, or a Tiny Recursive Model. They are told apart by what they name. */
import { Schema } from "effect"
import { headSize, targetShape } from "../../learning/networks/NetworkSpec.ts"
import { TrainingSpec } from "../../learning/training/TrainingSpec.ts"
import { TrmEpochsSpec } from "../../learning/trm/TrmEpochsSpec.ts"
import { trmKind } from "../../learning/trm/TrmServing.ts"
import { inputsOf } from "../../learning/trm/TrmSpec.ts"

export const HostTraining = Schema.Union(TrainingSpec, TrmEpochsSpec)
export type HostTraining = typeof HostTraining.Type

/** What it is called: `lstm`, `cnn`, `trm`, ... */
export const trainingName = (spec: HostTraining): string => ("trm" in spec ? trmKind : spec.network.body.kind)

export interface RowShape {
  /** Numbers of a step. */
  readonly features: number
  /** Steps of a window. */
  readonly length: number
  /** Numbers of a target. */
  readonly width: number
  readonly outputs: number
}

/** What a row of its data looks like. A class is given as probabilities, one for each. */
export const rowShape = (spec: HostTraining): RowShape => {
  if ("trm" in spec) {
    const { task } = spec.trm
    const width = task.kind === "features" ? task.classes : task.length
    return { features: inputsOf(task), length: 1, width, outputs: width }
  }
  const { features, head, length } = spec.network
  const width = targetShape(head).reduce((product, one) => product * one, 1)
  return { features, length, width, outputs: headSize(head) }
}
