/** What can go wrong with any call of one agent by another, whatever the call is about. */
import { Schema } from "effect"
import { Limits } from "./Limits.ts"

const Name = Schema.String.pipe(Schema.maxLength(Limits.identifierCharsMax))

/** Nobody serves the address. */
export class AgentUnreachable extends Schema.TaggedError<AgentUnreachable>()("AgentUnreachable", {
  agent: Name,
  call: Name
}) {
  override get message() {
    return `No ${this.agent} agent answers "${this.call}": start one with --agents ${this.agent}, or look at \`conclave status\`.`
  }
}

/** The request did not leave this node: no connection, too much waiting, or too large. Nothing was done. */
export class BusUnavailable extends Schema.TaggedError<BusUnavailable>()("BusUnavailable", {
  agent: Name,
  call: Name,
  reason: Schema.String.pipe(Schema.maxLength(Limits.reasonCharsMax))
}) {
  override get message() {
    return `"${this.call}" cannot be sent to the ${this.agent} agent: ${this.reason}`
  }
}

/** The answer did not come in time. Whether the call took effect is unknown: repeat it under the same id. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  agent: Name,
  call: Name,
  afterMs: Schema.NonNegativeInt
}) {
  override get message() {
    return `The ${this.agent} agent did not answer "${this.call}" within ${this.afterMs} ms.`
  }
}

/** The instance that was answering a stream is gone. */
export class PeerLost extends Schema.TaggedError<PeerLost>()("PeerLost", {
  agent: Name,
  call: Name,
  silentMs: Schema.NonNegativeInt
}) {
  override get message() {
    return `The ${this.agent} instance answering "${this.call}" has been silent for ${this.silentMs} ms: call again.`
  }
}

/** A bounded queue is full. Nothing was done. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  agent: Name,
  call: Name,
  limit: Schema.NonNegativeInt
}) {
  override get message() {
    return `The ${this.agent} agent refuses "${this.call}": ${this.limit} are waiting already. Try again later.`
  }
}

/** The agent is shutting down or between two lives. Nothing was done. */
export class AgentUnavailable extends Schema.TaggedError<AgentUnavailable>()("AgentUnavailable", {
  agent: Name,
  call: Name,
  state: Name
}) {
  override get message() {
    return `The ${this.agent} agent cannot take "${this.call}" now: it is ${this.state}.`
  }
}

/** The agent crashed while it worked on this. Whether it took effect is unknown. */
export class AgentCrashed extends Schema.TaggedError<AgentCrashed>()("AgentCrashed", {
  agent: Name,
  call: Name
}) {
  override get message() {
    return `The ${this.agent} agent crashed while it worked on "${this.call}"; its supervisor restarts it.`
  }
}

/** The request does not decode. What exactly was wrong stands in the receiver's dead letters. */
export class BadRequest extends Schema.TaggedError<BadRequest>()("BadRequest", {
  agent: Name,
  call: Name
}) {
  override get message() {
    return `The ${this.agent} agent cannot read this "${this.call}" request; its dead letters say why.`
  }
}

/** The receiver does not know the call: it is of another version. */
export class UnknownCall extends Schema.TaggedError<UnknownCall>()("UnknownCall", {
  agent: Name,
  call: Name
}) {
  override get message() {
    return `The ${this.agent} agent knows no call "${this.call}": it may be of another version.`
  }
}

/** A bug of the receiver. The incident is the key to its log. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {
  agent: Name,
  call: Name,
  incident: Name
}) {
  override get message() {
    return `The ${this.agent} agent failed at "${this.call}"; look for incident ${this.incident} in its log.`
  }
}

/** What every call may fail with. */
export const CallError = Schema.Union(
  AgentUnreachable,
  BusUnavailable,
  DeadlineExceeded,
  PeerLost,
  Overloaded,
  AgentUnavailable,
  AgentCrashed,
  BadRequest,
  UnknownCall,
  InternalError
)
export type CallError = typeof CallError.Type

const transientTags: ReadonlySet<string> = new Set<CallError["_tag"]>([
  "AgentUnreachable",
  "BusUnavailable",
  "DeadlineExceeded",
  "PeerLost",
  "Overloaded",
  "AgentUnavailable",
  "AgentCrashed"
])

/** Whether an error is one of a call that may succeed if it is made again, perhaps by another instance. */
export const isTransient = (error: { readonly _tag: string }): boolean => transientTags.has(error._tag)
