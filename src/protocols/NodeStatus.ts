/** What a node says about itself: what it can do, which agents it runs and how they are. */
import { Schema } from "effect"
import * as EventType from "./wire/EventType.ts"
import { Identifier, NodeId, Reason, RunId } from "./wire/Ids.ts"

/** One life of a supervised component; every component of a node goes through the same states. */
export const ComponentState = Schema.Literal(
  "waiting",
  "starting",
  "standby",
  "running",
  "backing-off",
  "stopping",
  "stopped",
  "failed"
)
export type ComponentState = typeof ComponentState.Type

export const MailboxStatus = Schema.Struct({
  waiting: Schema.NonNegativeInt,
  capacity: Schema.NonNegativeInt,
  refused: Schema.NonNegativeInt
})

export interface ComponentStatus {
  readonly name: string
  readonly state: ComponentState
  readonly restarts: number
  readonly lastFailure: string | null
  readonly detail: string | null
  readonly mailbox: typeof MailboxStatus.Type | null
  readonly children: ReadonlyArray<ComponentStatus>
}

const statusFields = {
  name: Identifier,
  state: ComponentState,
  restarts: Schema.NonNegativeInt,
  lastFailure: Schema.NullOr(Reason),
  detail: Schema.NullOr(Reason),
  mailbox: Schema.NullOr(MailboxStatus)
}

/** A branch of the supervision tree. Its depth is bounded by the JSON that carries it. */
export const ComponentStatus: Schema.Schema<ComponentStatus> = Schema.Struct({
  ...statusFields,
  children: Schema.Array(Schema.suspend((): Schema.Schema<ComponentStatus> => ComponentStatus))
})

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
