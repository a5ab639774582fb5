/** What keeps a feed from being opened. */
import { Schema } from "effect"

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} cannot be read: ${this.reason}.`
  }
}

export class NoSource extends Schema.TaggedError<NoSource>()("NoSource", { reason: Schema.String }) {
  override get message() {
    return `There is nothing to read bars from: ${this.reason}.`
  }
}
