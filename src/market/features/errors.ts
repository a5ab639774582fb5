/** What the making of features refuses: all are mistakes of the program, and thrown. */
import { Schema } from "effect"

/** As-ofs are given in the order of time, each once. */
export class AsOfNotRising extends Schema.TaggedError<AsOfNotRising>()("AsOfNotRising", {
  asOf: Schema.Finite,
  last: Schema.Finite
}) {
  override get message() {
    return `The as-of ${this.asOf} came after ${this.last}: give features their as-ofs in order, each once.`
  }
}

/** Something of after the as-of was given for it. */
export class FromTheFuture extends Schema.TaggedError<FromTheFuture>()("FromTheFuture", {
  what: Schema.String,
  knownAt: Schema.Finite,
  asOf: Schema.Finite
}) {
  override get message() {
    return `${this.what} is known at ${this.knownAt} and was given for the as-of ${this.asOf}: keep it until then.`
  }
}

/** An instrument that features were not made for, or twice in one as-of. */
export class InstrumentUnexpected extends Schema.TaggedError<InstrumentUnexpected>()("InstrumentUnexpected", {
  instrument: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.instrument} cannot have features here: ${this.reason}.`
  }
}

/** Columns, sectors, names or scalings that are not of one size. */
export class WidthUnfit extends Schema.TaggedError<WidthUnfit>()("WidthUnfit", {
  what: Schema.String,
  width: Schema.Finite,
  expected: Schema.Finite
}) {
  override get message() {
    return `${this.what} has ${this.width} entries where ${this.expected} are expected.`
  }
}

/** There is nothing to fit a scaling on. */
export class NothingToFit extends Schema.TaggedError<NothingToFit>()("NothingToFit", {
  from: Schema.Finite,
  to: Schema.Finite,
  rows: Schema.Finite
}) {
  override get message() {
    return `A scaling cannot be fitted on the rows ${this.from} to ${this.to} of ${this.rows}: name a range that holds some.`
  }
}

/** A scaling was fitted on other features. */
export class SchemaUnfit extends Schema.TaggedError<SchemaUnfit>()("SchemaUnfit", {
  scaling: Schema.String,
  features: Schema.String
}) {
  override get message() {
    return `A scaling of ${this.scaling} does not fit features ${this.features}: fit one on these.`
  }
}
