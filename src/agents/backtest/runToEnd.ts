/**
 * One lock-step life of a whole node, from the first bar to the last, in this process: what backtests are made of. Its
 * agents have stopped when `use` reads what it has left.
 */
import { Effect } from "effect"
import { DeadLetters } from "../../runtime/DeadLetters.ts"
import * as Node from "../Node.ts"

/** Fails as starting fails, or when the node cannot go on. */
export const runToEnd = <A, E, R>(
  options: Omit<Node.NodeOptions, "resumed">,
  use: (node: Node.RunningNode) => Effect.Effect<A, E, R>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const node = yield* Node.start({ ...options, resumed: undefined })
      yield* Effect.raceFirst(node.feedEnded, Effect.zipRight(node.over, Effect.never))
      return yield* Effect.provideService(use(node), DeadLetters, node.deadLetters)
    })
  )
