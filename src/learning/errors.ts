/**
 * What the learning room refuses.
 *
 * What depends on data (a file, a row, a snapshot, too few outcomes) comes back as the left of an Either;
 * what only a wrong program can cause (a graph whose shapes disagree, an artefact put together of parts
 * that do not fit, an environment that breaks its contract) is thrown: a defect, but one with a name.
 */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** The bytes are no ONNX model that the subset knows. */
export class OnnxUnreadable extends Schema.TaggedError<OnnxUnreadable>()("OnnxUnreadable", { reason: Text }) {
  override get message() {
    return `Not a readable ONNX model: ${this.reason}.`
  }
}

/** A node of a graph under construction does not fit what feeds it. */
export class GraphInvalid extends Schema.TaggedError<GraphInvalid>()("GraphInvalid", {
  graph: Text,
  node: Text,
  op: Text,
  reason: Text
}) {
  override get message() {
    return `Node "${this.node}" (${this.op}) of graph "${this.graph}" does not fit: ${this.reason}.`
  }
}

/** An ONNX model without the inputs, outputs and metadata that every opinion model has. */
export class NotAnOpinionModel extends Schema.TaggedError<NotAnOpinionModel>()("NotAnOpinionModel", {
  reason: Text
}) {
  override get message() {
    return `The ONNX model cannot give opinions: ${this.reason}.`
  }
}

/** The parts handed to an emitter do not make a model. */
export class ArtefactInvalid extends Schema.TaggedError<ArtefactInvalid>()("ArtefactInvalid", {
  kind: Text,
  part: Text,
  reason: Text
}) {
  override get message() {
    return `A ${this.kind} artefact cannot be made: ${this.part} ${this.reason}.`
  }
}

/** A row holds something that must not enter a fit. Nothing of it was taken. */
export class RowRefused extends Schema.TaggedError<RowRefused>()("RowRefused", {
  row: Count,
  column: Text,
  reason: Text
}) {
  override get message() {
    return `Row ${this.row} is refused: ${this.column} ${this.reason}.`
  }
}

export class FitImpossible extends Schema.TaggedError<FitImpossible>()("FitImpossible", {
  rows: Count,
  reason: Text
}) {
  override get message() {
    return `Nothing can be fitted on ${this.rows} rows: ${this.reason}.`
  }
}

/** A snapshot that no accumulator can have written. */
export class StateUnfit extends Schema.TaggedError<StateUnfit>()("StateUnfit", { reason: Text }) {
  override get message() {
    return `The accumulator cannot be restored: ${this.reason}.`
  }
}

/** Too little has been seen to say anything; not a failure, a reason to wait. */
export class TooFewOutcomes extends Schema.TaggedError<TooFewOutcomes>()("TooFewOutcomes", {
  outcomes: Count,
  outcomesMin: Count
}) {
  override get message() {
    return `${this.outcomes} outcomes are too few: ${this.outcomesMin} are needed.`
  }
}

/** An environment does not keep the contract that the learner relies on. */
export class EnvironmentInvalid extends Schema.TaggedError<EnvironmentInvalid>()("EnvironmentInvalid", {
  reason: Text
}) {
  override get message() {
    return `The environment cannot be learned in: ${this.reason}.`
  }
}

/** A training that cannot begin: it would take too much, or has too little to learn from. */
export class TrainingRefused extends Schema.TaggedError<TrainingRefused>()("TrainingRefused", {
  network: Text,
  reason: Text
}) {
  override get message() {
    return `The ${this.network} cannot be trained: ${this.reason}.`
  }
}

/** The bytes are no checkpoint that was written whole. */
export class CheckpointUnreadable extends Schema.TaggedError<CheckpointUnreadable>()("CheckpointUnreadable", {
  reason: Text
}) {
  override get message() {
    return `Not a readable checkpoint: ${this.reason}.`
  }
}
