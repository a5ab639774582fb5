/**
 * All that the streams keep, in one snapshot: bars, the rounds before them, and how far the rounds have been read. A later
 * life then finds the two as they were together, and reads the same from them.
 */
import { Schema } from "effect"
import type { BarsEvent } from "../../protocols/Bar.ts"
import { Sequence, sequenceZero } from "../../protocols/wire/Ids.ts"
import { type BarsSeen, BarsSeenSnapshot, emptyBarsSeen, evolveBarsSeen } from "./BarsSeen.ts"
import { emptyRoundsSeen, type RoundsSeen, RoundsSeenSnapshot } from "./RoundsSeen.ts"

export interface Seen {
  readonly bars: BarsSeen
  readonly rounds: RoundsSeen
  roundsThrough: Sequence
}

export const SeenSnapshot = Schema.mutable(
  Schema.Struct({ bars: BarsSeenSnapshot, rounds: RoundsSeenSnapshot, roundsThrough: Sequence })
)

export const emptySeen = (): Seen => ({
  bars: emptyBarsSeen(),
  rounds: emptyRoundsSeen(),
  roundsThrough: sequenceZero
})

/** The fold over bars, in place; rounds are taken in by whoever acts on these. */
export const evolveSeen = (seen: Seen, event: BarsEvent): Seen => {
  evolveBarsSeen(seen.bars, event)
  return seen
}
