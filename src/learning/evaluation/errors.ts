/**
 * What evaluation refuses, beside what the whole room refuses (rows that must not be taken, too few outcomes, fits
 * that are impossible).
 */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** Something is asked for that only a wrong program asks for. Thrown. */
export class EvaluationInvalid extends Schema.TaggedError<EvaluationInvalid>()("EvaluationInvalid", {
  part: Text,
  reason: Text
}) {
  override get message() {
    return `Nothing can be evaluated so: ${this.part} ${this.reason}.`
  }
}

/** Where all outcomes are alike there is nothing to tell apart. */
export class OneClassOnly extends Schema.TaggedError<OneClassOnly>()("OneClassOnly", {
  outcomes: Count,
  label: Count
}) {
  override get message() {
    return `All ${this.outcomes} outcomes are of class ${this.label}: there is nothing to tell apart.`
  }
}

/** The samples leave a part of the split empty. */
export class SplitImpossible extends Schema.TaggedError<SplitImpossible>()("SplitImpossible", {
  samples: Count,
  reason: Text
}) {
  override get message() {
    return `${this.samples} samples cannot be split so: ${this.reason}.`
  }
}

/** Not one window fits into the rows. */
export class SeriesTooShort extends Schema.TaggedError<SeriesTooShort>()("SeriesTooShort", {
  part: Text,
  rows: Count,
  rowsMin: Count
}) {
  override get message() {
    return `The ${this.part} has ${this.rows} rows: ${this.rowsMin} are needed.`
  }
}

/** The text is no table of either layout. */
export class ForecastTableUnreadable extends Schema.TaggedError<ForecastTableUnreadable>()(
  "ForecastTableUnreadable",
  { line: Count, reason: Text }
) {
  override get message() {
    return `Line ${this.line} of the table cannot be read: ${this.reason}.`
  }
}

/** The estimate says nothing about the true Sharpe ratio. */
export class SharpeUnjudged extends Schema.TaggedError<SharpeUnjudged>()("SharpeUnjudged", { reason: Text }) {
  override get message() {
    return `The Sharpe ratio cannot be judged: ${this.reason}.`
  }
}

/** The returns of the strategies do not tell which of them was chosen by luck. */
export class OverfittingUnjudged extends Schema.TaggedError<OverfittingUnjudged>()("OverfittingUnjudged", {
  reason: Text
}) {
  override get message() {
    return `Overfitting cannot be judged: ${this.reason}.`
  }
}
