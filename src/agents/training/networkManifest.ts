/** The manifest of a trained network, by its own description. */
import type { Metric, ModelManifest } from "../../protocols/Model.ts"
import { contentHash } from "../../protocols/wire/Json.ts"
import type { ModelFile } from "./ModelFile.ts"
import { inputSchema } from "./ModelInput.ts"
import type { TrainedModel } from "./TrainedModel.ts"

/** @param fittedAsOf nothing later went in */
export const networkManifestOf = (
  { description, input }: Pick<ModelFile, "description" | "input">,
  trained: TrainedModel,
  fittedAsOf: number,
  metrics: ReadonlyArray<Metric> = trained.metrics
): Omit<ModelManifest, "digest" | "bytes" | "parent"> | undefined => {
  const { costs, data, horizonBars, sequence, timeFrame, training } = trained
  if (input === undefined) return undefined
  return {
    kind: description.kind,
    voter: "deep-learning",
    timeFrame,
    horizonBars,
    features: inputSchema(input),
    data: { from: data.from, to: data.to, rows: data.trainingRows + data.validationRows },
    fittedAsOf,
    // One network, but for its calibrator: of these settings, these bars and this seed.
    configuration: contentHash({
      ...{ bars: data.digest, instruments: data.instruments, features: sequence.features },
      ...{ costs, training }
    }),
    seed: training.seed,
    metrics
  }
}
