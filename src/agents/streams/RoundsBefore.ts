/**
 * The rounds of the journal up to a place in another of its streams: all streams share one count, so that what was written
 * before some bars is what any reader of the journal finds before them, whenever it reads.
 *
 * What can go wrong: the journal's own errors. Rounds that retention has removed are passed over.
 * Invariant: each round is given once, in order, and none that stands behind the place.
 */
import { Chunk, Effect, Option, Stream } from "effect"
import { decisionsStream } from "../../protocols/Decision.ts"
import type { Sequence } from "../../protocols/wire/Ids.ts"
import { Journal, type JournalRecord } from "../../runtime/Journal.ts"

/** @param after where the reader has been */
export const roundsBefore = (after: Sequence) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const pull = yield* Stream.toPull(journal.tail(decisionsStream, after))
    /** Pulled, and not given yet. */
    let waiting: ReadonlyArray<JournalRecord> = []
    let pulled: number = after

    /** Those before a place that were not given yet. */
    const next = (place: number) =>
      Effect.gen(function* () {
        const through = yield* journal.last(decisionsStream)
        const given: Array<JournalRecord> = []
        for (;;) {
          const behind = waiting.findIndex(({ sequence }) => sequence >= place)
          given.push(...waiting.slice(0, behind < 0 ? waiting.length : behind))
          waiting = behind < 0 ? [] : waiting.slice(behind)
          // More is pulled only where there is more: the stream waits for what is to come.
          if (behind >= 0 || pulled >= through) return given
          waiting = Chunk.toReadonlyArray(
            yield* Effect.catchAll(
              pull,
              Option.match({
                onNone: () => Effect.dieMessage(`The stream "${decisionsStream}" ended, which it never does`),
                onSome: (error) => Effect.fail(error)
              })
            )
          )
          pulled = waiting.at(-1)?.sequence ?? pulled
        }
      })
    return { next }
  })
