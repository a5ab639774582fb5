/** What the books refuse. */
import { Schema } from "effect"

/** A sum beyond 2^53 millionths is none that whole numbers in doubles hold exactly. */
export class AmountTooLarge extends Schema.TaggedError<AmountTooLarge>()("AmountTooLarge", {
  /** What was to be entered: a fill, a charge. */
  entry: Schema.String,
  instrument: Schema.String
}) {
  override get message() {
    return `The ${this.entry} of ${this.instrument} cannot be entered: an account of the ledger would pass 2^53, beyond which money is not counted exactly. Trade smaller sizes, or in coarser lots.`
  }
}
