/**
 * Everything that can be configured. The defaults stand in `config/default.yaml`, and nowhere else.
 */
import { Schema } from "effect"
import { BodySpec } from "../learning/networks/NetworkSpec.ts"
import { Costs } from "../market/Costs.ts"
import { Policy } from "../protocols/Decision.ts"
import { Calendar } from "../protocols/Instrument.ts"
import { NetworkModel } from "../protocols/Prediction.ts"
import { predictionEveryMs } from "../protocols/rpc/DeepLearningRpcs.ts"
import { policyStepsMax } from "../protocols/rpc/ReinforcementLearningRpcs.ts"
import { TimeFrame } from "../protocols/TimeFrame.ts"
import { AgentName, Identifier } from "../protocols/wire/Ids.ts"
import { env } from "../runtime/Configuration.ts"
import { SourceSettings } from "./market-data/sources/SourceSettings.ts"
import { ProviderChoice } from "./model-host/Provider.ts"

const Count = Schema.NonNegativeInt
const Positive = Schema.Int.pipe(Schema.positive())
const Ms = Schema.Int.pipe(Schema.between(0, 86_400_000))
const Bytes = Schema.Int.pipe(Schema.between(0, 1_099_511_627_776))
const Share = Schema.Finite.pipe(Schema.between(0, 1))
const Rate = Schema.Finite.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(1))

const described =
  (description: string) =>
  <S extends Schema.Annotable.All>(schema: S): Schema.Annotable.Self<S> =>
    schema.annotations({ description })

export const AgentSelection = Schema.Array(Schema.Literal("all", ...AgentName.literals)).pipe(
  Schema.minItems(1)
)

export const NodeSettings = Schema.Struct({
  name: Schema.Union(Schema.Literal(""), Identifier).pipe(
    described("name of this node; derived from its agents when empty")
  ),
  agents: AgentSelection.pipe(described("which agents run here; 'all' for every one")),
  dataDirectory: Schema.String.pipe(Schema.minLength(1), described("where runs are kept")),
  heartbeatEveryMs: Ms.pipe(Schema.greaterThanOrEqualTo(50)),
  silentAfterMs: Ms.pipe(described("a node that has not been heard for so long is taken to be gone")),
  shutdownMs: Ms.pipe(described("an agent that has not stopped by then is cut off"))
})

export const RunSettings = Schema.Struct({
  name: Schema.Union(Schema.Literal(""), Identifier).pipe(
    described("derived from what goes into the run when empty")
  ),
  resume: Schema.Boolean.pipe(
    described("go on with the latest run (or the named one) instead of beginning a new one")
  ),
  seed: Count.pipe(described("of every random stream"))
})

export const BusSettings = Schema.Struct({
  transport: Schema.Literal("auto", "in-process", "nats").pipe(
    described(
      "auto: the server at bus.url; without one a nats-server of our own, if the program is installed and the run is paced; else in-process"
    )
  ),
  url: Schema.Redacted(Schema.String).pipe(
    described("nats://user:password@host:port; empty for none"),
    env("NATS_URL")
  ),
  consumers: Schema.Array(Identifier).pipe(
    described("durable consumers of the decisions that are made for programs outside")
  ),
  connectTimeoutMs: Ms,
  callDeadlineMs: Ms.pipe(described("of calls between agents that set none of their own"))
})

export const StoreSettings = Schema.Struct({
  durability: Schema.Literal("auto", "full", "process").pipe(
    described(
      "full survives a power loss, process the death of the process; auto: process in lock-step, else full"
    )
  ),
  streamEventsMax: Positive.pipe(described("events of one journal stream that retention keeps")),
  streamBytesMax: Bytes.pipe(described("size at which JetStream refuses more")),
  snapshotEvery: Positive.pipe(described("events between two snapshots of a state")),
  deadLettersMax: Positive,
  runsMax: Positive.pipe(described("runs of a node whose folders are kept")),
  contextItemsMax: Positive.pipe(described("context items that retention keeps"))
})

export const LeaseSettings = Schema.Struct({
  ttlMs: Ms.pipe(Schema.greaterThanOrEqualTo(200), described("a silent leader is replaced after this"))
})

export const TelemetrySettings = Schema.Struct({
  logLevel: Schema.Literal("debug", "info", "warning", "error", "none"),
  logFileBytesMax: Bytes,
  logFilesMax: Positive,
  tracing: Schema.Boolean.pipe(described("write spans beside the log; costs a third of the throughput"))
})

export const LiveSettings = Schema.Struct({
  handOverMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(50),
    described("a bar that another source has and the active one does not is waited for so long")
  ),
  wellForMs: Ms.pipe(described("a preferred source takes over again when it has been well for so long")),
  disagreeShare: Share.pipe(described("closes of two sources that differ by more raise an alarm")),
  barrierMs: Ms.pipe(
    described("an as-of is let go so long after its first bar, without the instruments that have none")
  ),
  fillMs: Ms.pipe(described("missing bars that no source gives within this are left out")),
  failuresMax: Positive.pipe(described("failures in a row that open a source's circuit breaker")),
  backoffMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(10),
    described("pause after a source's first failure; doubles with each further one")
  ),
  backoffMaxMs: Ms.pipe(described("longest pause before a source is tried again"))
})

/** By which calendar bar files are read: one that is named, or the one that their days tell. */
export const CalendarChoice = Schema.Literal("auto", ...Calendar.literals)
export type CalendarChoice = typeof CalendarChoice.Type

export const MarketDataSettings = Schema.Struct({
  source: Schema.Literal("simulator", "csv", "live"),
  paths: Schema.Array(Schema.String).pipe(described("bar files, each [INSTRUMENT=]FILE")),
  symbols: Schema.Array(Schema.String).pipe(
    described("which instruments of the files or sources; all when empty")
  ),
  instrumentsMax: Count.pipe(described("at most so many instruments of each file; 0 for all")),
  lastAsOfs: Count.pipe(described("only the last so many as-ofs; 0 for all")),
  from: Schema.String.pipe(
    described("files: when trading begins, a date or an instant; what is before it is the warm-up")
  ),
  to: Schema.String.pipe(described("files: the last as-of, a date or an instant; no end when empty")),
  refusedShareMax: Share.pipe(described("share of refused rows that stops the run")),
  calendar: CalendarChoice.pipe(
    described("files: when their instruments trade; auto tells weekdays from always by the days of the bars")
  ),
  speed: Schema.String.pipe(
    Schema.pattern(/^(max|real|[0-9]+(\.[0-9]+)?x?)$/, {
      message: () => "expected max, real or a factor like 60x"
    }),
    described("max runs in lock-step; real and Nx keep time")
  ),
  warmUpBarsMin: Positive,
  warmUpShare: Share.pipe(described("of the as-ofs of a feed that ends")),
  world: Schema.String.pipe(described("simulator: market, momentum or efficient")),
  instruments: Positive.pipe(Schema.lessThanOrEqualTo(100), described("simulator: how many")),
  timeFrame: TimeFrame.pipe(described("simulator and live: length of a bar")),
  asOfs: Count.pipe(described("simulator: bars until it ends; 0 for no end")),
  history: Count.pipe(described("live, and simulator without an end: bars of the warm-up")),
  sources: Schema.Array(SourceSettings).pipe(
    Schema.maxItems(8),
    described("live: where bars come from, in the order of preference, in a file: `- {kind: ccxt, ...}`")
  ),
  live: LiveSettings
})

export const OrchestratorSettings = Schema.Struct({
  voters: Schema.Array(Schema.Literal("deep-learning", "reinforcement-learning")).pipe(Schema.minItems(1)),
  horizonBars: Positive.pipe(Schema.lessThanOrEqualTo(10_000), described("bars that a question looks ahead")),
  deadlineMs: Ms.pipe(described("of one try to ask a voter; off in lock-step")),
  tries: Positive.pipe(described("of a voter before its fallbacks")),
  lockStepPatienceMs: Ms.pipe(described("how long lock-step waits for a voter that is not there")),
  quorum: Policy.fields.quorum.pipe(described("own answers that a decision needs; 0 for more than half")),
  confidenceMin: Policy.fields.confidenceMin,
  winProbabilityMin: Policy.fields.winProbabilityMin,
  edgeCostMultipleMin: Policy.fields.edgeCostMultipleMin,
  skillAlpha: Policy.fields.skillAlpha,
  kellyFraction: Policy.fields.kellyFraction,
  exposureMax: Schema.Finite.pipe(Schema.between(0, 10), described("absolute, over all instruments")),
  allowShort: Schema.Boolean,
  stalenessMaxMs: Policy.fields.stalenessMaxMs.pipe(
    described("oldest bars decided on; 0 for one and a half bars")
  ),
  hedgeRate: Rate.pipe(described("learning rate of the weights; 1 is the Bayesian mixture")),
  hedgeShare: Share.pipe(described("share of the weight that is spread evenly with each outcome"))
})

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
  )
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

/** A key that has no default: without it the broker sets no such limit. */
const ifGiven = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema.annotations({ description }), { exact: true })

export const BrokerSettings = Schema.Struct({
  account: Identifier,
  startingCash: Schema.Finite.pipe(Schema.positive(), Schema.lessThanOrEqualTo(1e9)),
  tradeExposureMin: Share.pipe(described("changes of the exposure smaller than this are not worth an order")),
  leverageMax: ifGiven(
    Schema.Finite.pipe(Schema.between(0.01, 1_000)),
    "most that all positions may come to, as a multiple of the equity; without it orders are not limited"
  ),
  maintenanceMargin: ifGiven(
    Rate,
    "equity below this share of the positions' value is liquidated; without it nothing is"
  ),
  participationMax: ifGiven(Rate, "largest share of a bar's volume that fills; without it all does"),
  latencyMs: ifGiven(Ms, "from a decision's as-of until its order can fill; without it none")
})

/** Where a series from outside is read from. */
const seriesLocation = (series: string) =>
  Schema.String.pipe(
    Schema.filter(
      (location) =>
        !/^https?:\/\/[^/]*@/i.test(location) ||
        "an address with a user or a password in it is kept and shown"
    ),
    described(`${series}: a CSV file or an http(s) address; none when empty`)
  )
const LagDays = Schema.Int.pipe(Schema.between(0, 3_650))
const EveryMs = Ms.pipe(Schema.greaterThanOrEqualTo(1_000))

export const StreamsSettings = Schema.Struct({
  pricesEveryMs: EveryMs,
  volatilityEveryMs: EveryMs,
  sentimentEveryMs: EveryMs,
  inequalityEveryMs: EveryMs,
  contrarianEveryMs: EveryMs,
  consensusEveryMs: EveryMs,
  wagesEveryMs: EveryMs,
  regimeEveryMs: EveryMs,
  lockStepEveryBars: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000_000),
    described("in lock-step, bars between two publications of a stream at least")
  ),
  historyMax: Positive.pipe(
    Schema.lessThanOrEqualTo(1_000),
    described("publications of each stream held for those who ask")
  ),
  impliedSource: seriesLocation("implied volatilities (date, instrument, tenor_days, implied_volatility)"),
  inequalitySource: seriesLocation("inequality in the place of the Gini coefficient of volumes (date, gini)"),
  surveySource: seriesLocation("surveys and what came true (date, sell, hold, buy, outcome, known_at)"),
  wagesSource: seriesLocation("wages and prices (date, wage_index, price_index)"),
  seriesLagDays: LagDays.pipe(described("from a date until its figures can be known, where they do not say")),
  wagesLagDays: LagDays.pipe(described("the same of wages and prices")),
  sentimentModel: Schema.String.pipe(
    described(
      "what scores sentences: a file of `conclave train --model sentiment`, or a folder; none when empty"
    )
  ),
  sentimentHalfLifeMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(1_000),
    described("of a text's weight in the sentiment stream")
  ),
  regimeStates: Schema.Int.pipe(Schema.between(2, 4)),
  regimeFitBars: Schema.Int.pipe(
    Schema.between(200, 1_000),
    described("latest bars that the regimes are fitted on")
  ),
  regimeRefitEveryBars: Schema.Int.pipe(Schema.between(10, 500))
})

export const Settings = Schema.Struct({
  node: NodeSettings,
  run: RunSettings,
  bus: BusSettings,
  store: StoreSettings,
  lease: LeaseSettings,
  telemetry: TelemetrySettings,
  marketData: MarketDataSettings,
  costs: Costs,
  orchestrator: OrchestratorSettings,
  deepLearning: DeepLearningSettings,
  reinforcementLearning: ReinforcementLearningSettings,
  models: ModelSettings,
  broker: BrokerSettings,
  streams: StreamsSettings
})
export type Settings = typeof Settings.Type
