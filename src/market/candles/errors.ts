/** What computations over bars refuse to begin with: both are mistakes of the program, and thrown. */
import { Schema } from "effect"

const Count = Schema.Finite

/** Columns that are to be the bars of one series do not have the same length. */
export class ColumnsUneven extends Schema.TaggedError<ColumnsUneven>()("ColumnsUneven", {
  column: Schema.String,
  rows: Count,
  rowsExpected: Count
}) {
  override get message() {
    return `The column ${this.column} has ${this.rows} rows where the others have ${this.rowsExpected}.`
  }
}

/** A bar holds NaN or an infinity, which would stay in the running sums for good. Nothing of it was taken. */
export class BarNotFinite extends Schema.TaggedError<BarNotFinite>()("BarNotFinite", {
  /** Position in the history, from 0. */
  bar: Count
}) {
  override get message() {
    return `Bar ${this.bar} holds a number that is not finite.`
  }
}
