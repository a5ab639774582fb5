/** Artefacts of small networks, with what a training says of them. */

import { inputFeatures } from "../../../src/agents/training/InputFeatures.ts"
import { inputSchema, type ModelInput, type SequenceInput } from "../../../src/agents/training/ModelInput.ts"
import { type TrainedModel, trainedModelMetadata } from "../../../src/agents/training/TrainedModel.ts"
import { emitNetwork, networkManifest } from "../../../src/learning/NetworkOpinion.ts"
import { trainingDefaults } from "../../../src/learning/training/TrainingSpec.ts"
import { sequenceFeatures } from "../../../src/market/SequenceFeatures.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { randomCalibrator } from "../../learning/opinions.ts"
import { costs } from "./bars.ts"

export const input = { kind: "sequence", features: "returns", length: 5 } as const satisfies ModelInput

const spec = trainingDefaults({
  length: input.length,
  features: 1,
  body: { kind: "mlp", hidden: [4] },
  head: { kind: "regression", outputs: 1 }
})

export const trained: TrainedModel = {
  version: 1,
  sequence: { features: "returns", version: sequenceFeatures.returns.version, length: 5, hasVolume: false },
  timeFrame: TimeFrame.make("1h"),
  horizonBars: 4,
  costs,
  training: spec,
  data: {
    digest: "a".repeat(64) as TrainedModel["data"]["digest"],
    instruments: ["csv:X:spot"],
    from: 1_000,
    to: 2_000,
    knownTo: 3_000,
    heldOutFrom: 4_000,
    trainingRows: 10,
    validationRows: 5,
    heldOutRows: 5
  },
  baseRates: [0.3, 0.4, 0.3],
  metrics: [{ name: "log-loss", value: 1.05 }],
  losses: [{ training: 1, validation: 1.1 }]
}

export const artefactOf = (model: TrainedModel = trained, names = inputSchema(input).names): Uint8Array => {
  const random = keyedRandom("model file")
  return emitNetwork({
    network: spec.network,
    parameters: Float32Array.from({ length: networkManifest(spec.network).size }, () => random.normal()),
    normalisation: { means: [0], deviations: [0.01] },
    calibrator: randomCalibrator(random),
    featureNames: names,
    featureSchemaVersion: sequenceFeatures.returns.version,
    metadata: trainedModelMetadata(model)
  })
}

/** What looks at all instruments of an as-of: two bars of each. */
const { names, version } = inputFeatures.instruments
const deviations = names.map((_, k) => 0.01 * (k + 1))
const scaling = {
  schema: { version, names },
  means: names.map((_, k) => k / 10),
  deviations,
  clips: names.map(() => 10)
}
export const inputOfAll = {
  kind: "sequence",
  features: "instruments",
  length: 2,
  standIns: scaling.means
} as const satisfies SequenceInput

const specOfAll = trainingDefaults({
  length: inputOfAll.length,
  features: names.length,
  body: { kind: "mlp", hidden: [4] },
  head: { kind: "regression", outputs: 1 }
})

export const trainedOnAll: TrainedModel = {
  ...trained,
  sequence: { features: "instruments", version, length: inputOfAll.length, hasVolume: true, scaling },
  training: specOfAll
}

export const artefactOfAll = (model: TrainedModel = trainedOnAll): Uint8Array => {
  const random = keyedRandom("model of all")
  return emitNetwork({
    network: specOfAll.network,
    parameters: Float32Array.from({ length: networkManifest(specOfAll.network).size }, () => random.normal()),
    normalisation: scaling,
    calibrator: randomCalibrator(random),
    featureNames: inputSchema(inputOfAll).names,
    featureSchemaVersion: version,
    metadata: trainedModelMetadata(model)
  })
}
