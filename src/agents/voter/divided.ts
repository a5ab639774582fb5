/**
 * Questions that two answer between them.
 *
 * What can go wrong: what either of them fails with.
 * Invariant: every question has one answer, in its place; who has no part of them is not asked.
 */
import { Effect } from "effect"
import type { Question } from "../../protocols/Opinion.ts"

/** Answers to questions, one each, in their order. */
export type Ask<A, E> = (questions: ReadonlyArray<Question>) => Effect.Effect<ReadonlyArray<A>, E>

/** @param isOwn which of them `own` is asked; `rest` is asked the others */
export const divided = <A, E>(
  questions: ReadonlyArray<Question>,
  isOwn: (question: Question) => boolean,
  own: Ask<A, E>,
  rest: Ask<A, E>
): ReturnType<Ask<A, E>> =>
  Effect.gen(function* () {
    const mine = questions.map(isOwn)
    const ask = (who: Ask<A, E>, isTheirs: boolean) => {
      const part = questions.filter((_, i) => mine[i] === isTheirs)
      return part.length === 0 ? Effect.succeed([]) : who(part)
    }
    const answers = { own: yield* ask(own, true), rest: yield* ask(rest, false) }
    const next = { own: 0, rest: 0 }
    return mine.map((isMine) => {
      const of = isMine ? "own" : "rest"
      return answers[of][next[of]++] as A
    })
  })
