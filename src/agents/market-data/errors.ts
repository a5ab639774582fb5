/** What keeps a feed from being opened, and what may happen to a source of one. */
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

export class SourceFailed extends Schema.TaggedError<SourceFailed>()("SourceFailed", {
  source: Schema.String,
  kind: Schema.Literal("unavailable", "rate-limited", "malformed", "refused", "stalled"),
  reason: Schema.String,
  /** How long the source asks to be left alone; null where it says nothing. */
  retryAfterMs: Schema.NullOr(Schema.Finite)
}) {
  override get message() {
    const wait = this.retryAfterMs === null ? "" : `; it can be asked again in ${this.retryAfterMs} ms`
    return `The bar source ${this.source} is ${this.kind}: ${this.reason}${wait}.`
  }
}

export class ClockSteppedBack extends Schema.TaggedError<ClockSteppedBack>()("ClockSteppedBack", {
  before: Schema.Finite,
  now: Schema.Finite
}) {
  override get message() {
    return `The chain of feeds was given ${this.now} ms after ${this.before} ms: elapsed time does not fall, so give it a monotonic clock.`
  }
}
