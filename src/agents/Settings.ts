/**
 * Everything that can be configured. The defaults stand in `config/default.yaml`, and nowhere else.
 */
import { Schema } from "effect"
import { Costs } from "../market/Costs.ts"
import { Policy } from "../protocols/Decision.ts"
import { AgentName, Identifier } from "../protocols/wire/Ids.ts"
import { env } from "../runtime/Configuration.ts"
import { Bytes, Count, described, Ms, Positive, Rate, Share } from "./settings/fields.ts"
import {
  DeepLearningSettings,
  ModelSettings,
  ReinforcementLearningSettings
} from "./settings/LearningSettings.ts"
import { MarketDataSettings } from "./settings/MarketDataSettings.ts"
import { StreamsSettings } from "./settings/StreamsSettings.ts"

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

/** A key that has no default: without it the broker sets no such limit. */
const ifGiven = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema.annotations({ description }), { exact: true })

export const BrokerSettings = Schema.Struct({
  account: Identifier,
  startingCash: Schema.Finite.pipe(Schema.positive(), Schema.lessThanOrEqualTo(1e9)),
  tradeExposureMin: Share.pipe(described("changes of the exposure smaller than this are not worth an order")),
  leverageMax: Schema.Finite.pipe(
    Schema.between(0.01, 1_000),
    described("most that all positions may come to, as a multiple of the equity")
  ),
  maintenanceMargin: Rate.pipe(described("equity below this share of the positions' value is liquidated")),
  participationMax: ifGiven(Rate, "largest share of a bar's volume that fills; without it all does"),
  latencyMs: ifGiven(Ms, "from a decision's as-of until its order can fill; without it none")
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
