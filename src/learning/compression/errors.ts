/**
 * What compression refuses.
 *
 * A model that cannot be made smaller, or that is worse than it may be, is about data and comes back as the left of an
 * Either; numbers that no caller can mean are thrown.
 */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** Nothing of the model can be quantised as asked; the reason says what stands in the way. */
export class QuantisationRefused extends Schema.TaggedError<QuantisationRefused>()("QuantisationRefused", {
  model: Text,
  reason: Text
}) {
  override get message() {
    return `The model "${this.model}" cannot be quantised: ${this.reason}.`
  }
}

/** The smaller model does not take the place of the one that serves. */
export class ReplacementRefused extends Schema.TaggedError<ReplacementRefused>()("ReplacementRefused", {
  candidate: Text,
  /** Which of the conditions is not met. */
  because: Schema.Literal("unmeasured", "worse", "slower", "no gain"),
  /** Held-out rows that it was judged on. */
  rows: Count,
  reason: Text
}) {
  override get message() {
    return `"${this.candidate}" is not taken, over ${this.rows} held-out rows: ${this.reason}.`
  }
}

/** Compression is asked for with numbers that fit nothing. Thrown. */
export class CompressionInvalid extends Schema.TaggedError<CompressionInvalid>()("CompressionInvalid", {
  part: Text,
  reason: Text
}) {
  override get message() {
    return `Nothing can be compressed so: ${this.part} ${this.reason}.`
  }
}
