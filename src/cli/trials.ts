/** Trials are entered beside the runs, of which retention keeps a few only. */
import { join } from "node:path"
import type { Settings } from "../agents/Settings.ts"
import type { TrainedModel } from "../agents/training/TrainedModel.ts"
import { type Trial, trialId } from "../learning/evaluation/Trials.ts"

export const trialFolder = ({ node }: Settings): string => join(node.dataDirectory, "trials")

/** A network that was trained and never traded: it counts, and says nothing of the spread of Sharpe ratios. */
export const trainedTrial = (model: TrainedModel, at: number): Trial => {
  const { data, horizonBars, sequence, timeFrame, training } = model
  return {
    id: trialId({
      training,
      sequence: { ...sequence, scaling: null },
      horizonBars,
      timeFrame,
      file: data.digest
    }),
    kind: "network",
    at,
    timeFrame,
    data: { from: data.from, to: data.knownTo },
    sharpe: null,
    observations: data.heldOutRows,
    skewness: null,
    kurtosis: null,
    meta: [{ name: "rows", value: data.trainingRows }]
  }
}
