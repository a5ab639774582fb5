/** What indicators refuse to be made of: a mistake of the program, and thrown. */
import { Schema } from "effect"

export class PeriodInvalid extends Schema.TaggedError<PeriodInvalid>()("PeriodInvalid", {
  bars: Schema.Finite,
  barsMin: Schema.Finite,
  barsMax: Schema.Finite
}) {
  override get message() {
    return `A period of ${this.bars} bars is none: whole numbers from ${this.barsMin} to ${this.barsMax} are.`
  }
}
