/** Dead letters in the node's store; the latest ones, as many as retention keeps. */
import { Effect, Layer, Mailbox } from "effect"
import { type DeadLetter, DeadLetters, trimmed } from "./DeadLetters.ts"
import { Store } from "./Store.ts"

/** Letters that may wait to be written; beyond this they are counted and dropped. */
const waitingMax = 1_000
/** Letters between two times that the old ones are removed. */
const trimEvery = 100

export const layer = (lettersMax: number): Layer.Layer<DeadLetters, never, Store> =>
  Layer.scoped(
    DeadLetters,
    Effect.gen(function* () {
      const { read, sql, write } = yield* Store
      const waiting = yield* Mailbox.make<DeadLetter>({ capacity: waitingMax, strategy: "dropping" })
      let total = 0
      // The first letter of a life removes what former ones have left: many die before they have written so many.
      let sinceTrim = trimEvery

      const keep = (letter: DeadLetter) => {
        const { consumer, data, reason, record = null, subject } = trimmed(letter)
        const row = { consumer, subject, reason, data: Buffer.from(data), record }
        const insert = sql`INSERT OR IGNORE INTO dead_letters ${sql.insert(row)}`
        const trim = sql`DELETE FROM dead_letters WHERE id <= (
          SELECT id FROM dead_letters ORDER BY id DESC LIMIT 1 OFFSET ${lettersMax})`
        const isTrimDue = ++sinceTrim >= trimEvery
        if (isTrimDue) sinceTrim = 0
        return write("keep a dead letter", isTrimDue ? [insert, trim] : [insert]).pipe(
          Effect.zipRight(
            Effect.logWarning(`A message for ${consumer} became a dead letter: ${reason}`).pipe(
              Effect.annotateLogs({ subject })
            )
          ),
          Effect.catchAll((error) => Effect.logError(`A dead letter was lost: ${error.message}`))
        )
      }
      yield* Effect.forkScoped(Effect.forever(Effect.flatMap(waiting.take, keep)))

      return {
        record: (letter) =>
          Effect.suspend(() => {
            total++
            return keep(letter)
          }),
        unsafeRecord: (letter) => {
          total++
          waiting.unsafeOffer(letter)
        },
        latest: (count) =>
          read(
            "read dead letters",
            sql<DeadLetter>`SELECT consumer, subject, reason, data FROM dead_letters ORDER BY id DESC LIMIT ${count}`
          ).pipe(Effect.catchAll(() => Effect.succeed([]))),
        count: Effect.sync(() => total)
      }
    })
  )
