/**
 * The networks that can be trained by name, in the sizes of the mission unless the configuration or the command says
 * otherwise. All answer with one number: the return over the horizon, in sigmas.
 *
 * - `lstm`, `gru`, `transformer`, `mlp`, `linear`: 60 bars of ten features;
 * - `cnn`: 100 bars of five candle channels;
 * - `dlinear`: 60 returns.
 */
import { Either, ParseResult, Schema } from "effect"
import { TrainingRefused } from "../../learning/errors.ts"
import {
  type BodySpec,
  NetworkSpec,
  patternRecogniser,
  pricePredictor,
  transformerPredictor
} from "../../learning/networks/NetworkSpec.ts"
import {
  TrainingSpec as Spec,
  type TrainingSpec,
  trainingDefaults
} from "../../learning/training/TrainingSpec.ts"
import { type SequenceFeaturesName, sequenceFeatures } from "../../market/SequenceFeatures.ts"
import type { Settings } from "../Settings.ts"
import { parameterCount, runSizesOf } from "../training-host/RunSizes.ts"
import type { ModelInput } from "./ModelInput.ts"

export const modelNames = ["lstm", "gru", "cnn", "transformer", "dlinear", "linear", "mlp"] as const
export type ModelName = (typeof modelNames)[number]

/** What the command may say; the rest is as configured. */
export interface NetworkChoice {
  readonly model: ModelName
  /** Bars of a sequence. */
  readonly length?: number
  readonly layers?: number
  /** Units of a layer, filters of a convolution, width of a transformer. */
  readonly width?: number
  readonly epochs?: number
  readonly patience?: number
  readonly batchRows?: number
  readonly rate?: number
}

export interface ChosenNetwork {
  readonly input: ModelInput & { readonly kind: "sequence" }
  readonly spec: TrainingSpec
  /** Numbers that are learned. */
  readonly parameters: number
}

/** Names that a feature schema may have. */
const columnsMax = 1_000
/** Of the moving mean, as published (Zeng et al., 2023). */
const dlinearWindow = 25
const mlpWidth = 64
const mlpLayers = 2

const layersOf = ({ body }: NetworkSpec) => ("layers" in body ? body.layers : 1)
const widthOf = ({ body }: NetworkSpec) => ("width" in body ? body.width : 1)

const repeated = (value: number, count: number): readonly [number, ...ReadonlyArray<number>] => [
  value,
  ...Array.from({ length: count - 1 }, () => value)
]

const bodyOf = (
  { layers, length, model, width }: NetworkChoice & { readonly length: number },
  { deepLearning }: Settings
): BodySpec => {
  const dropout = deepLearning.dropoutRate
  switch (model) {
    case "lstm":
    case "gru":
      return {
        kind: model,
        hidden: width ?? deepLearning.lstmHiddenSize,
        layers: layers ?? layersOf(pricePredictor),
        dropout
      }
    case "cnn":
      return {
        kind: "cnn",
        filters: repeated(width ?? deepLearning.cnnFilters, layers ?? 2),
        kernel: 3,
        pool: 1,
        dropout
      }
    case "transformer": {
      const wide = width ?? widthOf(transformerPredictor)
      return {
        kind: "transformer",
        width: wide,
        heads: deepLearning.transformerHeads,
        layers: layers ?? layersOf(transformerPredictor),
        inner: 4 * wide,
        dropout
      }
    }
    case "dlinear":
      return { kind: "dlinear", horizon: 1, window: Math.min(dlinearWindow, length) }
    case "mlp":
      return { kind: "mlp", hidden: repeated(width ?? mlpWidth, layers ?? mlpLayers) }
    case "linear":
      return { kind: "linear" }
  }
}

const featuresOf: Readonly<Record<ModelName, SequenceFeaturesName>> = {
  lstm: "bars",
  gru: "bars",
  transformer: "bars",
  mlp: "bars",
  linear: "bars",
  cnn: "candles",
  dlinear: "returns"
}

/** Everything about a training that does not depend on its data. Refused here, nothing has been read yet. */
export const chooseNetwork = (
  choice: NetworkChoice,
  settings: Settings
): Either.Either<ChosenNetwork, TrainingRefused> => {
  const { batchRows, epochs, model, patience, rate } = choice
  const features = featuresOf[model]
  const length = choice.length ?? (model === "cnn" ? patternRecogniser : pricePredictor).length
  const refused = (reason: string) => new TrainingRefused({ network: model, reason })
  const defaults = trainingDefaults({
    length,
    features: sequenceFeatures[features].names.length,
    body: bodyOf({ ...choice, length }, settings),
    head: { kind: "regression", outputs: 1 }
  })
  const rows = batchRows ?? settings.models.trainingBatchSize
  const spec: TrainingSpec = {
    ...defaults,
    schedule: { kind: "constant", rate: rate ?? settings.models.trainingLearningRate, warmUpSteps: 0 },
    batchRows: rows,
    epochsMax: epochs ?? defaults.epochsMax,
    patience: patience ?? defaults.patience,
    seed: settings.run.seed
  }
  return Either.gen(function* () {
    // The sizes first: what follows takes them for sound.
    for (const [schema, value] of [
      [NetworkSpec, spec.network],
      [Spec, spec]
    ] as const) {
      yield* Either.mapLeft(Schema.validateEither(schema as Schema.Schema<unknown>)(value), (error) => {
        const issues = ParseResult.ArrayFormatter.formatErrorSync(error)
        // Of a union the members that were not meant complain of their kind.
        const issue = issues.find(({ path }) => path.at(-1) !== "kind") ?? issues[0]
        const said = issue?.message.replace(/\s+/g, " ").replace(/\.$/, "")
        return refused(`${issue?.path.join(".")}: ${said}`)
      })
    }
    const columns = spec.network.length * spec.network.features
    if (columns > columnsMax) {
      yield* Either.left(
        refused(`its sequences have ${columns} numbers, a model takes ${columnsMax} at most`)
      )
    }
    const parameters = yield* parameterCount(spec.network)
    return {
      input: { kind: "sequence" as const, features, length },
      spec: { ...spec, ...runSizesOf(spec.network, rows) },
      parameters
    }
  })
}
