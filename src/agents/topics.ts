/** What plain subscribers can hear. */
import { Fill } from "../protocols/Account.ts"
import { DecisionMade } from "../protocols/Decision.ts"
import { Heartbeat } from "../protocols/NodeStatus.ts"
import { PredictionsMade } from "../protocols/Prediction.ts"
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
