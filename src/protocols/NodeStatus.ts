/** What a node says about itself: what it can do, which agents it runs and how they are. */
import { Schema } from "effect"
import { ComponentStatus } from "./wire/ComponentStatus.ts"
import * as EventType from "./wire/EventType.ts"
import { Identifier, NodeId, RunId } from "./wire/Ids.ts"

export const Capabilities = Schema.Struct({
  platform: Schema.String,
  cpuModel: Schema.String,
  cpuCores: Schema.NonNegativeInt,
  memoryBytes: Schema.NonNegativeInt,
  gpus: Schema.Array(Schema.String),
  node: Schema.String
})
export type Capabilities = typeof Capabilities.Type

export const Transport = Schema.Literal("in-process", "nats")
export type Transport = typeof Transport.Type

/** The counter of messages that nobody on the node could act on. */
export const deadLettersCounter = "dead-letters"

export const NodeStatus = Schema.Struct({
  node: NodeId,
  run: RunId,
  pid: Schema.NonNegativeInt,
  transport: Transport,
  /** What the transport is in words: the server's address, or why there is none. */
  transportDetail: Schema.String,
  agents: Schema.Array(Identifier),
  tree: ComponentStatus,
  capabilities: Schema.NullOr(Capabilities),
  residentBytes: Schema.NonNegativeInt,
  /** Counters by name. */
  counters: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.Finite }))
})
export type NodeStatus = typeof NodeStatus.Type

/** Sent at an interval on the topic `heartbeats`; who is silent for long is taken to be gone. */
export const Heartbeat = EventType.make({ type: "Heartbeat", version: 1, schema: NodeStatus })
export type Heartbeat = EventType.EventOf<typeof Heartbeat>
