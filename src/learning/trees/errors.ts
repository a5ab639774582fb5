/**
 * What the trees refuse. Rows that must not enter training are refused by the errors of the learning room.
 */
import { Schema } from "effect"

/** The bytes are no XGBoost model, or one that uses what is not supported; the reason names it. */
export class XgboostUnreadable extends Schema.TaggedError<XgboostUnreadable>()("XgboostUnreadable", {
  reason: Schema.String
}) {
  override get message() {
    return `Not a readable XGBoost model: ${this.reason}.`
  }
}

/** Thrown: trees were asked for what they cannot give, or told to grow in a way they cannot. */
export class TreesMisused extends Schema.TaggedError<TreesMisused>()("TreesMisused", {
  reason: Schema.String
}) {
  override get message() {
    return `The trees cannot do that: ${this.reason}.`
  }
}
