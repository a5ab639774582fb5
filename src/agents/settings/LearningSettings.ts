/** How the voters learn, what they train by themselves, and where models run. */
import { Schema } from "effect"
import { BodySpec } from "../../learning/networks/NetworkSpec.ts"
import { NetworkModel } from "../../protocols/Prediction.ts"
import { predictionEveryMs } from "../../protocols/rpc/DeepLearningRpcs.ts"
import { policyStepsMax } from "../../protocols/rpc/ReinforcementLearningRpcs.ts"
import { PolicyAlgorithm } from "../../protocols/Strategy.ts"
import { env } from "../../runtime/Configuration.ts"
import { ProviderChoice } from "../model-host/Provider.ts"
import { Bytes, Count, described, Ms, Positive, Rate, Share } from "./fields.ts"

export const DeepLearningSettings = Schema.Struct({
  lags: Positive.pipe(
    Schema.lessThanOrEqualTo(64),
    described("past returns that the linear forecaster sees")
  ),
  ridge: Schema.Finite.pipe(Schema.nonNegative()),
  refitEveryBars: Positive,
  rowsMin: Positive.pipe(described("matured rows before the first fit")),
  lstmHiddenSize: Positive.pipe(
    env("DL_LSTM_HIDDEN_SIZE"),
    described("of networks; the linear forecaster has none")
  ),
  cnnFilters: Positive.pipe(env("DL_CNN_FILTERS"), described("of networks; the linear forecaster has none")),
  transformerHeads: Positive.pipe(
    env("DL_TRANSFORMER_HEADS"),
    described("of networks; the linear forecaster has none")
  ),
  dropoutRate: Share.pipe(env("DL_DROPOUT_RATE"), described("of networks; the linear forecaster has none")),
  bodies: Schema.Array(BodySpec).pipe(
    Schema.maxItems(16),
    described(
      "networks of another make than these sizes give, in a file: `- {kind: lstm, hidden: 64, layers: 2, dropout: 0}`; of a kind the first counts"
    )
  ),
  features: Schema.Literal("bars", "instruments").pipe(
    described(
      "what networks that see ten features of a bar are trained on: those of the instrument by itself, or of all instruments together"
    )
  ),
  networks: Schema.Array(NetworkModel).pipe(described("which are trained on schedule; none when empty")),
  train: Schema.Literal("auto", "always", "never").pipe(
    described(
      "auto: on schedule in paced runs, unless bars come faster than four a second; always: in any, and in lock-step the bars wait for it; never: on request alone"
    )
  ),
  trainEveryBars: Positive.pipe(described("bars between two trainings of a network")),
  trainBarsMin: Positive.pipe(described("bars of an instrument before the first training")),
  trainBarsMax: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000_000),
    described("latest bars of each instrument that a training sees")
  ),
  trainEpochs: Positive.pipe(Schema.lessThanOrEqualTo(100_000), described("of a training, at most")),
  trainPatience: Positive.pipe(described("epochs without a better validation before it ends")),
  predictEveryMs: Ms.pipe(
    Schema.between(predictionEveryMs.least, predictionEveryMs.most),
    described("between two published predictions of a paced run")
  )
})

export const ReinforcementLearningSettings = Schema.Struct({
  learningRate: Rate.pipe(env("RL_Q_LEARNING_RATE")),
  discountFactor: Share.pipe(env("RL_DISCOUNT_FACTOR")),
  epsilonStart: Share.pipe(env("RL_EPSILON_START")),
  epsilonMin: Share.pipe(env("RL_EPSILON_MIN")),
  epsilonDecay: Rate,
  memorySize: Positive.pipe(
    env("RL_MEMORY_SIZE"),
    described("latest bars of each instrument that it trains on")
  ),
  episodes: Positive.pipe(described("of each training")),
  refitEveryBars: Positive,
  barsMin: Positive.pipe(described("bars before the first training")),
  policySteps: Positive.pipe(
    Schema.lessThanOrEqualTo(policyStepsMax),
    described("steps of the environment in a training of a deep policy that names none")
  ),
  policyBarsMax: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000_000),
    described("latest bars of each instrument that such a training or an evaluation sees")
  ),
  policyRows: Positive.pipe(
    Schema.lessThanOrEqualTo(1_024),
    described("accounts that a deep policy learns by at a time")
  ),
  policyEpisodeBars: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000_000),
    described("bars of an episode of such a training, at most")
  ),
  trainPolicies: Schema.Array(PolicyAlgorithm).pipe(
    described("which deep policies are trained on schedule, by turns")
  ),
  trainEveryBars: Count.pipe(
    described(
      "bars between two trainings of a deep policy on schedule, in lock-step the bars wait for it; 0: on request alone"
    )
  ),
  trainBarsMin: Positive.pipe(described("bars before the first training on schedule"))
})

export const ModelSettings = Schema.Struct({
  shippedPath: Schema.String.pipe(env("AI_MODEL_PATH"), described("models that come with the program")),
  registryPath: Schema.String.pipe(
    env("MODEL_REGISTRY_PATH"),
    described("where artefacts are kept; within the run's directory when empty")
  ),
  versionsMax: Positive.pipe(env("MODEL_VERSION_LIMIT"), described("artefacts kept of each alias")),
  deploymentThreshold: Schema.Finite.pipe(
    env("MODEL_DEPLOYMENT_THRESHOLD"),
    described("a version is refused when its validation log loss exceeds the base rate's by more than this")
  ),
  rollbackThreshold: Schema.Finite.pipe(
    env("MODEL_ROLLBACK_THRESHOLD"),
    described(
      "mean log loss beyond the base rate's on matured outcomes at which the previous version comes back"
    )
  ),
  cacheSize: Positive.pipe(env("AI_MODEL_CACHE_SIZE"), described("sessions that the model host keeps open")),
  hostMemoryBytesMax: Bytes,
  runMsMax: Ms.pipe(described("a run that takes longer ends the model host")),
  provider: ProviderChoice.pipe(
    described(
      "what models are served on; auto: what works and is no slower, found out beside serving on the CPU. Lock-step always serves, and training always runs, on the CPU"
    )
  ),
  trainingBatchSize: Positive.pipe(
    env("AI_TRAINING_BATCH_SIZE"),
    described("of networks; closed forms have none")
  ),
  trainingLearningRate: Rate.pipe(env("AI_LEARNING_RATE"), described("of networks; closed forms have none"))
})
