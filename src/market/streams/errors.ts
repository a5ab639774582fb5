/** What the streams refuse: series from outside that cannot be read. */
import { Schema } from "effect"

/** A series is taken whole or not at all: a gap that nobody sees would be read as a fact. */
export class SeriesRefused extends Schema.TaggedError<SeriesRefused>()("SeriesRefused", {
  /** Where it came from. */
  series: Schema.String,
  line: Schema.Finite,
  reason: Schema.String
}) {
  override get message() {
    return `${this.series} is refused: line ${this.line} ${this.reason}. Mend it, or leave it out of the configuration.`
  }
}
