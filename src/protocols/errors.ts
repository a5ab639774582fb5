/** What the agents refuse, in the words of the domain. */
import { Schema } from "effect"
import { EpochMs, Reason } from "./wire/Ids.ts"

const Text = Schema.String.pipe(Schema.maxLength(200))

export class UnknownInstrument extends Schema.TaggedError<UnknownInstrument>()("UnknownInstrument", {
  symbol: Text,
  known: Schema.Array(Text)
}) {
  override get message() {
    const some = this.known.slice(0, 8).join(", ")
    const rest = this.known.length > 8 ? ` and ${this.known.length - 8} more` : ""
    return this.known.length === 0
      ? `"${this.symbol}" is not known: no bars have arrived yet.`
      : `"${this.symbol}" is not known here. Known: ${some}${rest}.`
  }
}

export class AmbiguousInstrument extends Schema.TaggedError<AmbiguousInstrument>()("AmbiguousInstrument", {
  symbol: Text,
  candidates: Schema.Array(Text)
}) {
  override get message() {
    return `"${this.symbol}" may be ${this.candidates.join(" or ")}: use one of these.`
  }
}

export class AsOfInFuture extends Schema.TaggedError<AsOfInFuture>()("AsOfInFuture", {
  asOf: EpochMs,
  latest: Schema.NullOr(EpochMs)
}) {
  override get message() {
    const asked = new Date(this.asOf).toISOString()
    return this.latest === null
      ? `The as-of ${asked} is in the future: no bars have arrived yet.`
      : `The as-of ${asked} is in the future: the latest bars are of ${new Date(this.latest).toISOString()}.`
  }
}

export class DecisionNotFound extends Schema.TaggedError<DecisionNotFound>()("DecisionNotFound", {
  decision: Text
}) {
  override get message() {
    return `No decision ${this.decision} is recorded; \`conclave decisions\` lists the latest.`
  }
}

/** The question cannot be asked now, for instance during the warm-up. */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", { reason: Reason }) {
  override get message() {
    return `Not ready: ${this.reason}.`
  }
}

/** A training that was asked for came to nothing; what serves serves on. */
export class TrainingNotDone extends Schema.TaggedError<TrainingNotDone>()("TrainingNotDone", {
  model: Text,
  reason: Reason
}) {
  override get message() {
    // A reason may be a sentence of its own.
    return `The ${this.model} was not trained: ${this.reason.replace(/\.$/, "")}. What served before serves on.`
  }
}

/** A policy could not be judged on what it has not learned from. */
export class EvaluationNotDone extends Schema.TaggedError<EvaluationNotDone>()("EvaluationNotDone", {
  policy: Text,
  reason: Reason
}) {
  override get message() {
    return `The policy ${this.policy} cannot be evaluated: ${this.reason}.`
  }
}

export class ArtefactRefused extends Schema.TaggedError<ArtefactRefused>()("ArtefactRefused", {
  digest: Text,
  reason: Reason
}) {
  override get message() {
    return `The model artefact ${this.digest.slice(0, 12)} is refused: ${this.reason}. What served before serves on.`
  }
}

export class UnknownModel extends Schema.TaggedError<UnknownModel>()("UnknownModel", { model: Text }) {
  override get message() {
    return `No model "${this.model}" is known to the model manager.`
  }
}

export class DeploymentConflict extends Schema.TaggedError<DeploymentConflict>()("DeploymentConflict", {
  alias: Text,
  expected: Schema.NullOr(Text),
  active: Schema.NullOr(Text)
}) {
  override get message() {
    return `"${this.alias}" serves ${this.active ?? "nothing"}, not ${this.expected ?? "nothing"} as expected: read it again.`
  }
}

/** The store of the receiver cannot do it: full disk, unreadable file. */
export class StorageFailed extends Schema.TaggedError<StorageFailed>()("StorageFailed", { reason: Reason }) {
  override get message() {
    return `The store cannot take or give this: ${this.reason}.`
  }
}
