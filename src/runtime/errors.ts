/** What the ground floor refuses: buses, journals, stores, processes, configuration. */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** The bus has no connection, and cannot say when it will have one. */
export class BusDisconnected extends Schema.TaggedError<BusDisconnected>()("BusDisconnected", {
  transport: Text,
  detail: Text
}) {
  override get message() {
    return `The ${this.transport} bus is not connected: ${this.detail}.`
  }
}

/** More is waiting to be sent than is allowed: the other side has stopped reading. */
export class BusCongested extends Schema.TaggedError<BusCongested>()("BusCongested", {
  subject: Text,
  pendingBytes: Count,
  pendingBytesMax: Count
}) {
  override get message() {
    return `Nothing more can be published on ${this.subject}: ${this.pendingBytes} bytes wait for the server to read them, ${this.pendingBytesMax} are allowed.`
  }
}

export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  subject: Text,
  bytes: Count,
  bytesMax: Count
}) {
  override get message() {
    return `A message of ${this.bytes} bytes for ${this.subject} is larger than the ${this.bytesMax} allowed.`
  }
}

export type BusError = BusDisconnected | BusCongested | PayloadTooLarge

export class NatsUnreachable extends Schema.TaggedError<NatsUnreachable>()("NatsUnreachable", {
  url: Text,
  reason: Text
}) {
  override get message() {
    return `No NATS server answers at ${this.url} (${this.reason}): start one there, or leave --nats out to run without.`
  }
}

/** The server answers, but lacks something that is needed. */
export class NatsUnfit extends Schema.TaggedError<NatsUnfit>()("NatsUnfit", { url: Text, reason: Text }) {
  override get message() {
    return `The NATS server at ${this.url} cannot serve: ${this.reason}.`
  }
}

/** What is to be done needs a server, and none is given or installed. */
export class NatsMissing extends Schema.TaggedError<NatsMissing>()("NatsMissing", { reason: Text }) {
  override get message() {
    return `A NATS server is needed: ${this.reason}.`
  }
}

export class NatsServerFailed extends Schema.TaggedError<NatsServerFailed>()("NatsServerFailed", {
  reason: Text
}) {
  override get message() {
    return `The nats-server child did not start: ${this.reason}. Run without it by --transport in-process.`
  }
}

/** Somebody else wrote in between: read the stream again and decide again. */
export class WrongExpectedSequence extends Schema.TaggedError<WrongExpectedSequence>()(
  "WrongExpectedSequence",
  { stream: Text, expected: Count, actual: Count }
) {
  override get message() {
    return `The journal stream "${this.stream}" is at ${this.actual}, not at ${this.expected} as expected.`
  }
}

/** The writer's lease has passed to another. It must step down. */
export class StaleEpoch extends Schema.TaggedError<StaleEpoch>()("StaleEpoch", {
  stream: Text,
  epoch: Count,
  current: Count
}) {
  override get message() {
    return `Epoch ${this.epoch} may no longer write the stream "${this.stream}": epoch ${this.current} has taken over.`
  }
}

/** The journal cannot accept or give events now. Nothing was acknowledged. */
export class JournalUnavailable extends Schema.TaggedError<JournalUnavailable>()("JournalUnavailable", {
  stream: Text,
  operation: Text,
  reason: Text
}) {
  override get message() {
    return `The journal cannot ${this.operation} "${this.stream}": ${this.reason}.`
  }
}

/** What a state would have to be rebuilt from is gone. */
export class HistoryTrimmed extends Schema.TaggedError<HistoryTrimmed>()("HistoryTrimmed", {
  fold: Text,
  stream: Text,
  /** Where the latest usable snapshot is. */
  after: Count,
  /** The oldest event that is still there. */
  oldest: Count
}) {
  override get message() {
    return `The state of "${this.fold}" cannot be rebuilt: there is no usable snapshot after ${this.after} of the stream "${this.stream}", and retention has taken what lies between that and ${this.oldest}. Go on from a backup of the run, or begin a new one.`
  }
}

/** A stream holds an event that only a newer version of the program understands. It waits for the upgrade. */
export class UpgradeNeeded extends Schema.TaggedError<UpgradeNeeded>()("UpgradeNeeded", {
  consumer: Text,
  stream: Text,
  sequence: Count,
  reason: Text
}) {
  override get message() {
    return `"${this.consumer}" stops before event ${this.sequence} of "${this.stream}": ${this.reason}. Upgrade this node.`
  }
}

/** What is stored is not what was written. */
export class CorruptRecord extends Schema.TaggedError<CorruptRecord>()("CorruptRecord", {
  table: Text,
  key: Text,
  reason: Text
}) {
  override get message() {
    return `The record ${this.key} of ${this.table} is damaged (${this.reason}): restore the data directory from a backup, or start a new run.`
  }
}

export class StoreUnreadable extends Schema.TaggedError<StoreUnreadable>()("StoreUnreadable", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `${this.path} cannot be opened as a database of this program: ${this.reason}. Move it away or choose another --data-directory.`
  }
}

export class StoreFailed extends Schema.TaggedError<StoreFailed>()("StoreFailed", {
  operation: Text,
  reason: Text
}) {
  override get message() {
    return `The store cannot ${this.operation}: ${this.reason}.`
  }
}

export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Text,
  holder: Text
}) {
  override get message() {
    return `The directory ${this.directory} is in use by another run (${this.holder}): stop that one, or choose another --data-directory.`
  }
}

export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { lease: Text, epoch: Count }) {
  override get message() {
    return `The lease "${this.lease}" (epoch ${this.epoch}) has been lost: stepping down.`
  }
}

export class LeaseUnavailable extends Schema.TaggedError<LeaseUnavailable>()("LeaseUnavailable", {
  lease: Text,
  reason: Text
}) {
  override get message() {
    return `The lease "${this.lease}" cannot be asked for: ${this.reason}.`
  }
}

export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  source: Text,
  path: Text,
  reason: Text
}) {
  override get message() {
    return `Configuration: ${this.path === "" ? "" : `${this.path}: `}${this.reason} (from ${this.source}).`
  }
}

export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", {
  run: Text,
  directory: Text
}) {
  override get message() {
    return `There is no run ${this.run} to resume in ${this.directory}.`
  }
}

/** The run on disk was begun with other inputs than those given now. */
export class RunMismatch extends Schema.TaggedError<RunMismatch>()("RunMismatch", {
  run: Text,
  reason: Text
}) {
  override get message() {
    return `The run ${this.run} cannot be resumed: ${this.reason}. Give the same inputs, or start a new run without --resume.`
  }
}

export class ChildFailed extends Schema.TaggedError<ChildFailed>()("ChildFailed", {
  child: Text,
  reason: Text
}) {
  override get message() {
    return `The child process "${this.child}" failed: ${this.reason}.`
  }
}

/** A supervisor has used up its restarts. */
export class RestartBudgetSpent extends Schema.TaggedError<RestartBudgetSpent>()("RestartBudgetSpent", {
  component: Text,
  restarts: Count,
  withinMs: Count,
  lastFailure: Text
}) {
  override get message() {
    return `"${this.component}" failed ${this.restarts + 1} times within ${this.withinMs} ms and is given up; last: ${this.lastFailure}`
  }
}
