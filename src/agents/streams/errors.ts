/** What keeps a source outside from being read. */
import { Schema } from "effect"

export class SourceUnavailable extends Schema.TaggedError<SourceUnavailable>()("SourceUnavailable", {
  source: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.source} cannot be read: ${this.reason}.`
  }
}
