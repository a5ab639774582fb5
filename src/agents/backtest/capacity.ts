/**
 * How long a run may be that is read back whole: its records have to be in the journal to the end, and in memory after it.
 * Both are looked at before anything is run, on the files as they are; the run reads them again.
 *
 * What can go wrong: a run beyond one of the two (RunTooLong, RetentionTooShort), with what to do about it; files that
 * cannot be read.
 */
import { getHeapStatistics } from "node:v8"
import { Effect } from "effect"
import { openFileFeed } from "../market-data/FileFeed.ts"
import { roundEventsMax } from "../orchestrator/closeRound.ts"
import type { Settings } from "../Settings.ts"
import { RetentionTooShort, RunTooLong } from "./errors.ts"

export const capacityLimits = {
  /** Share of the heap that records may take; the agents and the report have the rest. */
  heapShareMax: 0.5,
  /** A bar with its decision as the report keeps it, its place in the curves and in the baselines: 1.2 KB measured. */
  keptBytesPerBar: 1_536,
  /** A bar with its whole decision, twice, to be compared: 2 x 4.6 KB measured with two voters, and room for more. */
  comparedBytesPerBar: 16_384
} as const

/** Bars that records of so many bytes each may hold. */
export const barsMaxOf = (bytesPerBar: number, heapBytes = getHeapStatistics().heap_size_limit): number =>
  Math.floor((heapBytes * capacityLimits.heapShareMax) / bytesPerBar)

/** Events of a stream beside those of bars and rounds: its beginning and its end. */
const otherEvents = 2

export interface RunLength {
  readonly asOfs: number
  readonly instruments: number
  /** Of all instruments; not each has one at every as-of. */
  readonly bars: number
}

/** Why a run of this length cannot be read back whole, if it cannot. */
export const whyTooLong = (
  { asOfs, bars, instruments }: RunLength,
  { streamEventsMax }: Pick<Settings["store"], "streamEventsMax">,
  barsMax: number
): RunTooLong | RetentionTooShort | undefined => {
  const eventsNeeded = roundEventsMax(asOfs, bars, instruments) + otherEvents
  if (eventsNeeded > streamEventsMax) return new RetentionTooShort({ asOfs, eventsNeeded, streamEventsMax })
  return bars > barsMax ? new RunTooLong({ asOfs, instruments, bars, barsMax }) : undefined
}

/** Reads the files once, and refuses what is too long. */
export const refuseTooLong = ({ marketData, store }: Settings, bytesPerBar: number) =>
  Effect.gen(function* () {
    const { bars, instruments, total } = yield* openFileFeed(marketData)
    const refused = whyTooLong(
      { asOfs: total, instruments: instruments.length, bars },
      store,
      barsMaxOf(bytesPerBar)
    )
    if (refused !== undefined) return yield* refused
  })
