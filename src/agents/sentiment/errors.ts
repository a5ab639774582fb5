/** What keeps sentences from being scored, or a scorer from being made of a file. */
import { Schema } from "effect"

const Text = Schema.String

/** A scorer cannot be opened, or has no answer. */
export class SentimentFailed extends Schema.TaggedError<SentimentFailed>()("SentimentFailed", {
  scorer: Text,
  reason: Text
}) {
  override get message() {
    return `The sentiment scorer ${this.scorer} cannot be used: ${this.reason}.`
  }
}

/** A file of sentences is not what it has to be. */
export class SentenceFileUnfit extends Schema.TaggedError<SentenceFileUnfit>()("SentenceFileUnfit", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `The sentences in ${this.path} cannot be used: ${this.reason}.`
  }
}
