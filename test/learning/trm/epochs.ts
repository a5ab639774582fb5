/** Rows of classes that follow from their features, or do not, and small trainings on them. */

import type { TrmRows } from "../../../src/learning/trm/TrmEpochs.ts"
import { type TrmEpochsSpec, trmEpochsDefaults } from "../../../src/learning/trm/TrmEpochsSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { features } from "./specs.ts"

export const featureCount = 3
export const classCount = 4

export interface Examples {
  /** [rows, featureCount] */
  readonly inputs: Float32Array
  readonly labels: Int32Array
}

export const examplesOf = (key: string, rows: number, isLearnable = true): Examples => {
  const random = keyedRandom("epochs", key)
  const inputs = Float32Array.from({ length: rows * featureCount }, () => random.normal())
  const labels = Int32Array.from({ length: rows }, (_, i) => {
    const [a, b] = [inputs[i * featureCount] as number, inputs[i * featureCount + 1] as number]
    return isLearnable ? (a > 0 ? 3 : b > 0 ? 1 : 2) : random.int(classCount)
  })
  return { inputs, labels }
}

export const rowsOf = ({ inputs, labels }: Examples): TrmRows => ({
  rows: labels.length,
  rowAt: (index) => ({
    inputs: inputs.subarray(index * featureCount, (index + 1) * featureCount),
    labels: [labels[index] as number]
  })
})

export const epochsSpec = (changes: Partial<TrmEpochsSpec> = {}): TrmEpochsSpec => ({
  ...trmEpochsDefaults(features({ width: 16, innerMultiple: 8, expansion: 2 })),
  schedule: { kind: "constant", rate: 0.003, warmUpSteps: 10 },
  supervisionSteps: 4,
  averageDecay: 0.97,
  batchRows: 32,
  epochsMax: 4,
  patience: 100,
  ...changes
})
