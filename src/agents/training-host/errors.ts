/** What keeps a training from beginning, or from coming to its end, or its results from being kept. */
import { Schema } from "effect"

const Text = Schema.String

/** The file that a training is to learn from is not the one that was named, or holds something that must not be. */
export class TrainingDataUnfit extends Schema.TaggedError<TrainingDataUnfit>()("TrainingDataUnfit", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `The training data in ${this.path} cannot be used: ${this.reason}.`
  }
}

/** The process that trains could not be kept alive. The last checkpoint is there to go on from. */
export class TrainingFailed extends Schema.TaggedError<TrainingFailed>()("TrainingFailed", {
  network: Text,
  restarts: Schema.Finite,
  reason: Text
}) {
  override get message() {
    const after = this.restarts === 0 ? "" : ` after ${this.restarts} restarts`
    return `The training of the ${this.network} has failed${after}: ${this.reason}.`
  }
}

export class FileUnwritable extends Schema.TaggedError<FileUnwritable>()("FileUnwritable", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `${this.path} cannot be written: ${this.reason}.`
  }
}
