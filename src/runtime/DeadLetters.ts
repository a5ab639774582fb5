/**
 * Where messages go that nobody can act on, with the reason. Recording never blocks and never fails: beyond the
 * queue's limit letters are counted and dropped, and the store keeps the latest ones only.
 */
import { Context, Effect, Layer } from "effect"
import { truncateReason } from "../protocols/wire/Ids.ts"

export interface DeadLetter {
  /** Who could not act on it. */
  readonly consumer: string
  readonly subject: string
  readonly reason: string
  /** The first bytes of the message. */
  readonly data: Uint8Array
  /** Names the record of the journal that it is: however often it is met again, there is one letter. */
  readonly record?: string
}

/** Of a dead message, this much is kept. */
export const deadLetterBytesMax = 4_096

export class DeadLetters extends Context.Tag("conclave/DeadLetters")<
  DeadLetters,
  {
    /** Keeps a letter; returns when it is kept. */
    readonly record: (letter: DeadLetter) => Effect.Effect<void>
    /** The same from a callback: it is kept soon. */
    readonly unsafeRecord: (letter: DeadLetter) => void
    /** The latest letters, newest first. */
    readonly latest: (count: number) => Effect.Effect<ReadonlyArray<DeadLetter>>
    /** How many there have been. */
    readonly count: Effect.Effect<number>
  }
>() {
  /** Keeps the latest letters in memory. */
  static layerMemory = (lettersMax: number): Layer.Layer<DeadLetters> =>
    Layer.sync(DeadLetters, () => {
      const letters: Array<DeadLetter> = []
      let total = 0
      const keep = (letter: DeadLetter) => {
        total++
        letters.push(trimmed(letter))
        if (letters.length > lettersMax) letters.shift()
      }
      return {
        record: (letter) => Effect.sync(() => keep(letter)),
        unsafeRecord: keep,
        latest: (count) => Effect.sync(() => letters.slice(-count).reverse()),
        count: Effect.sync(() => total)
      }
    })
}

export const trimmed = (letter: DeadLetter): DeadLetter => ({
  ...letter,
  reason: truncateReason(letter.reason),
  data: letter.data.slice(0, deadLetterBytesMax)
})
