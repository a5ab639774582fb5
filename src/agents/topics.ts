/** What plain subscribers can hear. */
import { Fill } from "../protocols/Account.ts"
import { DecisionMade } from "../protocols/Decision.ts"
import { Heartbeat } from "../protocols/NodeStatus.ts"
import { PredictionsMade } from "../protocols/Prediction.ts"
import { streams } from "../protocols/Streams.ts"
import * as EventType from "../protocols/wire/EventType.ts"
import * as Topic from "../runtime/Topic.ts"

export const OrderFilled = EventType.make({ type: "OrderFilled", version: 1, schema: Fill })

/** Every decision, once the journal has taken it, under its instrument's token. */
export const decisionsTopic = Topic.make("decisions", DecisionMade)
/** Every fill of the paper broker, under its instrument's token. */
export const fillsTopic = Topic.make("fills", OrderFilled)
/** Every node's status, at its interval. */
export const heartbeatsTopic = Topic.make("heartbeats", Heartbeat)
/** What the deep-learning agent predicts at its interval. */
export const predictionsTopic = Topic.make("predictions", PredictionsMade)

/** The market-intelligence streams, each at its interval, under its own name. */
export const streamTopics = {
  prices: Topic.make(streams.prices.name, streams.prices.eventType),
  volatility: Topic.make(streams.volatility.name, streams.volatility.eventType),
  sentiment: Topic.make(streams.sentiment.name, streams.sentiment.eventType),
  "inequality-momentum": Topic.make(
    streams["inequality-momentum"].name,
    streams["inequality-momentum"].eventType
  ),
  contrarian: Topic.make(streams.contrarian.name, streams.contrarian.eventType),
  "consensus-wrong": Topic.make(streams["consensus-wrong"].name, streams["consensus-wrong"].eventType),
  "real-wages": Topic.make(streams["real-wages"].name, streams["real-wages"].eventType),
  regime: Topic.make(streams.regime.name, streams.regime.eventType),
  "market-features": Topic.make(streams["market-features"].name, streams["market-features"].eventType)
} as const
