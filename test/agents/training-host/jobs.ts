/** Small trainings, with data on disk. */

import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  encodeTrainingData,
  type TrainingData,
  type TrainingRows
} from "../../../src/agents/training-host/TrainingData.ts"
import type { TrainingJob } from "../../../src/agents/training-host/TrainingHost.ts"
import { type TrainingSpec, trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

export const length = 6
export const features = 2

/** A target that follows from the last two steps, with noise. */
export const makeData = (rows = 300): TrainingData => {
  const random = keyedRandom("training host")
  const series = Float32Array.from({ length: (rows + length) * features }, () => random.normal())
  const at = (step: number, k: number) => series[step * features + k] as number
  const rowsFrom = (first: number, count: number): TrainingRows => {
    const ends = Int32Array.from({ length: count }, (_, i) => first + length - 1 + i)
    const targets = Float32Array.from(
      ends,
      (end) => Math.tanh(at(end, 0)) * at(end - 1, 1) + 0.1 * random.normal()
    )
    return { ends, targets, weights: new Float32Array(count).fill(1) }
  }
  const training = Math.floor(rows * 0.8)
  return {
    features,
    length,
    width: 1,
    series,
    training: rowsFrom(0, training),
    validation: rowsFrom(training, rows - training)
  }
}

export const specWith = (changes: Partial<TrainingSpec> = {}): TrainingSpec => ({
  ...trainingDefaults({
    length,
    features,
    body: { kind: "lstm", hidden: 5, layers: 2, dropout: 0.2 },
    head: { kind: "regression", outputs: 1 }
  }),
  schedule: { kind: "constant", rate: 0.01, warmUpSteps: 0 },
  batchRows: 16,
  stepsPerRun: 4,
  epochsMax: 4,
  patience: 100,
  ...changes
})

export const digestOf = (parts: ReadonlyArray<Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex")
}

/** Writes the data into the folder that the checkpoints go to as well. */
export const makeJob = (folder: string, spec: TrainingSpec = specWith(), data = makeData()): TrainingJob => {
  const parts = encodeTrainingData(data)
  const path = join(folder, "rows.bin")
  writeFileSync(path, Buffer.concat(parts))
  return { spec, data: { path, digest: digestOf(parts) }, folder }
}
