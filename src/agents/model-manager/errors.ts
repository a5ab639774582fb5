/** What keeps a run from being gone on with. */
import { Schema } from "effect"

export class ArtefactDamaged extends Schema.TaggedError<ArtefactDamaged>()("ArtefactDamaged", {
  path: Schema.String
}) {
  override get message() {
    return `The model file ${this.path} is damaged (its content does not match the digest that it is named by): restore it from a backup, or begin a new run without --resume.`
  }
}
