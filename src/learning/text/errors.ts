/** What keeps sentences from being learned from, or a model from being one of sentences. */
import { Schema } from "effect"

/** The sentences are too many, too few, or not what can be learned from. */
export class TextRefused extends Schema.TaggedError<TextRefused>()("TextRefused", { reason: Schema.String }) {
  override get message() {
    return `The sentences cannot be learned from: ${this.reason}.`
  }
}

/** An ONNX model that is no classifier of sentences as this room writes them. */
export class NotASentenceModel extends Schema.TaggedError<NotASentenceModel>()("NotASentenceModel", {
  reason: Schema.String
}) {
  override get message() {
    return `The ONNX model does not score sentences: ${this.reason}.`
  }
}
