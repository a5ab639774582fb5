/**
 * The latest records of a stream, kept in memory for those who follow it closely: they share the records, and need
 * not each ask for the same ones.
 *
 * Whoever adds records adds all of them, in order: what lies after `startsAfter` is here or is not yet anywhere.
 */
import { Effect } from "effect"
import type { JournalRecord } from "./Journal.ts"

/** Records of a stream kept. */
const recordsMax = 256

export class RecentRecords {
  #startsAfter: number
  #records: Array<JournalRecord> = []
  #waiters: Array<() => void> = []

  /** @param startsAfter where the stream was when this began to hear of everything */
  constructor(startsAfter: number) {
    this.#startsAfter = startsAfter
  }

  /** Of the latest record known. */
  get last(): number {
    return this.#records.at(-1)?.sequence ?? this.#startsAfter
  }

  get startsAfter(): number {
    return this.#startsAfter
  }

  /** What is here already is passed over. */
  add(record: JournalRecord): void {
    if (record.sequence <= this.last) return
    this.#records.push(record)
    this.keep(recordsMax)
    this.wake()
  }

  /** Lets go of all but the latest. */
  keep(records: number): void {
    const tooMany = this.#records.length - records
    if (tooMany <= 0) return
    this.#startsAfter = (this.#records[tooMany - 1] as JournalRecord).sequence
    this.#records.splice(0, tooMany)
  }

  /** Up to so many after a sequence, the first ones; undefined where they are not all here any more. */
  after(sequence: number, limit: number): ReadonlyArray<JournalRecord> | undefined {
    if (sequence < this.#startsAfter) return undefined
    let first = this.#records.length
    while (first > 0 && (this.#records[first - 1] as JournalRecord).sequence > sequence) first--
    return this.#records.slice(first, first + limit)
  }

  /** Returns once there is something after a sequence, or somebody has been woken for another reason. */
  news(sequence: number): Effect.Effect<void> {
    return Effect.async<void>((resume): Effect.Effect<void> | undefined => {
      const wake = () => resume(Effect.void)
      if (this.last > sequence) {
        wake()
        return undefined
      }
      this.#waiters.push(wake)
      return Effect.sync(() => {
        this.#waiters = this.#waiters.filter((waiter) => waiter !== wake)
      })
    })
  }

  wake(): void {
    for (const wake of this.#waiters.splice(0)) wake()
  }
}
