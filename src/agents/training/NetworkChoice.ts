/**
 * The networks that can be trained by name, in the sizes of the mission unless the configuration or the command says
 * otherwise. Those that answer with one number, the return over the horizon, in sigmas:
 *
 * - `lstm`, `gru`, `transformer`, `mlp`, `linear`: 60 bars of ten features;
 * - `dlinear`: 60 returns.
 *
 * Those that answer with classes (ClassLabels.ts):
 *
 * - `cnn`: 100 bars of five candle channels, and which candle pattern ends there;
 * - `trm`: one bar of ten features, and which strategy will have been the best.
 *
 * The ten features are those of an instrument by itself (`bars`), or those of instruments that are followed together
 * (`instruments`) where that is chosen or configured.
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
import { TrmEpochsSpec, trmEpochsDefaults } from "../../learning/trm/TrmEpochsSpec.ts"
import { strategyTrm } from "../../learning/trm/TrmSpec.ts"
import type { Settings } from "../Settings.ts"
import type { HostTraining } from "../training-host/HostTraining.ts"
import { parameterCount, runSizesOf } from "../training-host/RunSizes.ts"
import { type ClassKind, classNames } from "./ClassLabels.ts"
import { type InputFeaturesName, inputFeatures, together } from "./InputFeatures.ts"
import type { SequenceInput } from "./ModelInput.ts"

export const modelNames = ["lstm", "gru", "cnn", "transformer", "dlinear", "linear", "mlp", "trm"] as const
export type ModelName = (typeof modelNames)[number]

/** What the command may say; the rest is as configured. */
/** The ten features of a bar that can be chosen where a network sees ten. */
export const featureChoices = ["bars", together] as const
export type FeatureChoice = (typeof featureChoices)[number]

export interface NetworkChoice {
  readonly model: ModelName
  readonly features?: FeatureChoice
  /** Bars of a sequence. */
  readonly length?: number
  readonly layers?: number
  /** Units of a layer, filters of a convolution, width of a transformer or of a recursive model. */
  readonly width?: number
  readonly epochs?: number
  readonly patience?: number
  readonly batchRows?: number
  readonly rate?: number
}

export interface ChosenNetwork {
  readonly input: SequenceInput
  readonly spec: HostTraining
  /** What its classes are; null where it answers with a return. */
  readonly classes: ClassKind | null
  /** Numbers that are learned. */
  readonly parameters: number
}

/** Names that a feature schema may have. */
const columnsMax = 1_000
/** Of the moving mean, as published (Zeng et al., 2023). */
const dlinearWindow = 25
const mlpWidth = 64
const mlpLayers = 2
/** Of the published model: a wider one than that was never trained. */
const trmWidthMax = 512

type WindowName = Exclude<ModelName, "trm">

const layersOf = ({ body }: NetworkSpec) => ("layers" in body ? body.layers : 1)
const widthOf = ({ body }: NetworkSpec) => ("width" in body ? body.width : 1)

const repeated = (value: number, count: number): readonly [number, ...ReadonlyArray<number>] => [
  value,
  ...Array.from({ length: count - 1 }, () => value)
]

const bodyOf = (
  model: WindowName,
  { layers, length, width }: NetworkChoice & { readonly length: number },
  { deepLearning }: Settings
): BodySpec => {
  const dropout = deepLearning.dropoutRate
  const configured = deepLearning.bodies.find(({ kind }) => kind === model)
  if (configured !== undefined && layers === undefined && width === undefined) return configured
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

const featuresOf: Readonly<Record<WindowName, InputFeaturesName>> = {
  lstm: "bars",
  gru: "bars",
  transformer: "bars",
  mlp: "bars",
  linear: "bars",
  cnn: "candles",
  dlinear: "returns"
}

type Choosing = Either.Either<ChosenNetwork, TrainingRefused>

const refusedOf = (network: ModelName) => (reason: string) => new TrainingRefused({ network, reason })

/** Refuses what the schema does not let through, and says what it is. */
const validate = (
  network: ModelName,
  schema: Schema.Schema<unknown>,
  value: unknown
): Either.Either<unknown, TrainingRefused> =>
  Either.mapLeft(Schema.validateEither(schema)(value), (error) => {
    const issues = ParseResult.ArrayFormatter.formatErrorSync(error)
    // Of a union the members that were not meant complain of their kind.
    const issue = issues.find(({ path }) => path.at(-1) !== "kind") ?? issues[0]
    const said = issue?.message.replace(/\s+/g, " ").replace(/\.$/, "")
    return refusedOf(network)(`${issue?.path.join(".")}: ${said}`)
  })

/** What the command says of a training, over what is configured. */
const courseOf = (
  { batchRows, epochs, patience, rate }: NetworkChoice,
  defaults: Pick<HostTraining, "epochsMax" | "patience">,
  { models, run }: Settings
) => ({
  rate: rate ?? models.trainingLearningRate,
  batchRows: batchRows ?? models.trainingBatchSize,
  epochsMax: epochs ?? defaults.epochsMax,
  patience: patience ?? defaults.patience,
  seed: run.seed
})

const chooseTrm = (choice: NetworkChoice, settings: Settings): Choosing => {
  const { layers, length, width } = choice
  const { task } = strategyTrm
  const defaults = trmEpochsDefaults({
    sizes: {
      ...strategyTrm.sizes,
      width: width ?? strategyTrm.sizes.width,
      layers: layers ?? strategyTrm.sizes.layers
    },
    task
  })
  const { rate, ...course } = courseOf(choice, defaults, settings)
  const spec: TrmEpochsSpec = { ...defaults, ...course, schedule: { ...defaults.schedule, rate } }
  const refused = refusedOf("trm")
  return Either.gen(function* () {
    if (length !== undefined && length !== 1) {
      yield* Either.left(refused(`it sees one bar, not a sequence of ${length}`))
    }
    yield* validate("trm", TrmEpochsSpec as Schema.Schema<unknown>, spec)
    if (spec.trm.sizes.width > trmWidthMax) {
      yield* Either.left(refused(`a width of ${spec.trm.sizes.width} is more than ${trmWidthMax}`))
    }
    const parameters = yield* parameterCount(spec.trm)
    return {
      input: {
        kind: "sequence" as const,
        features: choice.features ?? settings.deepLearning.features,
        length: 1
      },
      spec,
      classes: "strategies" as const,
      parameters
    }
  })
}

const chooseWindowed = (model: WindowName, choice: NetworkChoice, settings: Settings): Choosing => {
  const own = featuresOf[model]
  const features = choice.features ?? (own === "bars" ? settings.deepLearning.features : own)
  const length = choice.length ?? (model === "cnn" ? patternRecogniser : pricePredictor).length
  const refused = refusedOf(model)
  const classes = model === "cnn" ? "candles" : null
  const defaults = trainingDefaults({
    length,
    features: inputFeatures[features].names.length,
    body: bodyOf(model, { ...choice, length }, settings),
    head:
      classes === null
        ? { kind: "regression", outputs: 1 }
        : { kind: "classification", classes: classNames(classes).length }
  })
  const { rate, ...course } = courseOf(choice, defaults, settings)
  const spec: TrainingSpec = {
    ...defaults,
    ...course,
    schedule: { kind: "constant", rate, warmUpSteps: 0 }
  }
  return Either.gen(function* () {
    if (features !== own && own !== "bars") {
      yield* Either.left(refused(`it sees ${own} and not ${features}, which other networks do`))
    }
    // The sizes first: what follows takes them for sound.
    yield* validate(model, NetworkSpec as Schema.Schema<unknown>, spec.network)
    yield* validate(model, Spec as Schema.Schema<unknown>, spec)
    const columns = spec.network.length * spec.network.features
    if (columns > columnsMax) {
      yield* Either.left(
        refused(`its sequences have ${columns} numbers, a model takes ${columnsMax} at most`)
      )
    }
    const parameters = yield* parameterCount(spec.network)
    return {
      input: { kind: "sequence" as const, features, length },
      spec: { ...spec, ...runSizesOf(spec.network, course.batchRows) },
      classes,
      parameters
    }
  })
}

/** Everything about a training that does not depend on its data. Refused here, nothing has been read yet. */
export const chooseNetwork = (choice: NetworkChoice, settings: Settings): Choosing =>
  choice.model === "trm" ? chooseTrm(choice, settings) : chooseWindowed(choice.model, choice, settings)
