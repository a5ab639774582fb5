/**
 * A child process that answers one question at a time and is replaced after it has failed: whatever was the matter with it,
 * the next question meets a fresh one.
 *
 * What can go wrong: a child that cannot be started, then or later (SentimentFailed). It is tried once a question.
 * Invariants: never more than one child; none is left when the scope ends, nor after a question that was broken off.
 */
import { Effect, ExecutionStrategy, Exit, Scope } from "effect"
import type { SentenceProbabilities } from "../../market/streams/pooledSentiment.ts"
import type { SentimentFailed } from "./errors.ts"

export type AskSentences = (
  sentences: ReadonlyArray<string>
) => Effect.Effect<ReadonlyArray<SentenceProbabilities>, SentimentFailed>

/** Starts the child at once: what is wrong with a model is said before anybody asks it. */
export const restarting = (
  start: Effect.Effect<AskSentences, SentimentFailed, Scope.Scope>
): Effect.Effect<AskSentences, SentimentFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const turn = yield* Effect.makeSemaphore(1)
    let life: { readonly ask: AskSentences; readonly scope: Scope.CloseableScope } | undefined

    const end = Effect.suspend(() => {
      const ended = life
      life = undefined
      return ended === undefined ? Effect.void : Scope.close(ended.scope, Exit.void)
    })
    const begin = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
        const ask = yield* restore(Scope.extend(start, scope)).pipe(
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
        )
        life = { ask, scope }
        return ask
      })
    )
    yield* begin
    return (sentences) =>
      Effect.suspend(() => (life === undefined ? begin : Effect.succeed(life.ask))).pipe(
        Effect.flatMap((ask) => ask(sentences)),
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : end)),
        turn.withPermits(1)
      )
  })
