/** What the command line refuses. */
import { Schema } from "effect"

export class NoNode extends Schema.TaggedError<NoNode>()("NoNode", { directory: Schema.String }) {
  override get message() {
    return `Nothing is running here (looked for a socket in ${this.directory}): start it with \`npm start\`, or say where it is by --data-directory DIR or --nats URL.`
  }
}

export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** What was judged has not reached what it was to reach. */
export class BarsMissed extends Schema.TaggedError<BarsMissed>()("BarsMissed", {
  cases: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The bar was missed by ${this.cases.join(", ")}; the table says by how much.`
  }
}
