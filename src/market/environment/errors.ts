/** What the environment refuses. A refused course or set of options is a value; a refused action is thrown. */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

/** No episode can run over these bars and features. */
export class CourseRefused extends Schema.TaggedError<CourseRefused>()("CourseRefused", { reason: Text }) {
  override get message() {
    return `No course can be made of these bars: ${this.reason}.`
  }
}

/** The courses or the options do not make an environment. */
export class EnvironmentRefused extends Schema.TaggedError<EnvironmentRefused>()("EnvironmentRefused", {
  reason: Text
}) {
  override get message() {
    return `No trading environment can be made so: ${this.reason}.`
  }
}

/** An action that the action space does not hold: a mistake of the learner. Thrown before any row has moved. */
export class ActionRefused extends Schema.TaggedError<ActionRefused>()("ActionRefused", {
  /** The first row that has such an action; -1 where the whole array is wrong. */
  row: Count,
  reason: Text
}) {
  override get message() {
    const where = this.row < 0 ? "The actions are" : `The action of row ${this.row} is`
    return `${where} refused, and nothing was done: ${this.reason}.`
  }
}

/** Courses cannot be drawn within these ranges. */
export class VariationRefused extends Schema.TaggedError<VariationRefused>()("VariationRefused", {
  reason: Text
}) {
  override get message() {
    return `No courses can be simulated so: ${this.reason}.`
  }
}

/** The world of a signal contradicts itself. */
export class SignalRefused extends Schema.TaggedError<SignalRefused>()("SignalRefused", { reason: Text }) {
  override get message() {
    return `There can be no such world of a signal: ${this.reason}.`
  }
}
