/** What keeps a series from being read. */
import { Schema } from "effect"

export class SeriesUnavailable extends Schema.TaggedError<SeriesUnavailable>()("SeriesUnavailable", {
  series: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.series} cannot be read: ${this.reason}.`
  }
}
