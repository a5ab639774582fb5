/** What keeps a network from being trained, judged or asked: the data, the file of the model, the table of inputs. */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** Not one row can be made of the bars. */
export class TooFewBars extends Schema.TaggedError<TooFewBars>()("TooFewBars", {
  path: Text,
  /** Of the instrument that has the most. */
  bars: Count,
  barsMin: Count,
  reason: Text
}) {
  override get message() {
    return `${this.path} has too few bars: ${this.bars} where ${this.barsMin} are needed (${this.reason}).`
  }
}

/** A feature that a network must not see. */
export class FeatureNotFinite extends Schema.TaggedError<FeatureNotFinite>()("FeatureNotFinite", {
  where: Text,
  feature: Text,
  value: Text
}) {
  override get message() {
    return `${this.where}: the feature ${this.feature} is ${this.value}, not a finite number.`
  }
}

/** The file holds no model that can be asked, or not the one that was written. */
export class ModelFileUnfit extends Schema.TaggedError<ModelFileUnfit>()("ModelFileUnfit", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `The model ${this.path} cannot be used: ${this.reason}.`
  }
}

/** The table does not have what the model takes. */
export class InputTableUnfit extends Schema.TaggedError<InputTableUnfit>()("InputTableUnfit", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `The table ${this.path} cannot be used: ${this.reason}.`
  }
}

/** All that the model could be judged on, it has learned from. */
export class NothingHeldOut extends Schema.TaggedError<NothingHeldOut>()("NothingHeldOut", {
  path: Text,
  rows: Count,
  learnedTo: Text
}) {
  override get message() {
    return `${this.path} holds nothing to judge the model on: all of its ${this.rows} rows are from before ${this.learnedTo}, up to when it has learned.`
  }
}

/** A training came to its end without parameters that could be used. */
export class NothingLearned extends Schema.TaggedError<NothingLearned>()("NothingLearned", {
  network: Text,
  reason: Text
}) {
  override get message() {
    return `The ${this.network} has learned nothing: ${this.reason}.`
  }
}
