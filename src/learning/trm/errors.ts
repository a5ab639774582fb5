/** What the Tiny Recursive Model's training refuses, beside what the room does. */
import { Schema } from "effect"

/** A step's loss is no number: the step was not taken. */
export class TrainingDiverged extends Schema.TaggedError<TrainingDiverged>()("TrainingDiverged", {
  step: Schema.Int
}) {
  override get message() {
    return `The loss of step ${this.step} is no number.`
  }
}
