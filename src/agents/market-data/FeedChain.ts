/**
 * Several sources of the same bars as one: what such a chain is given, what it gives, and what it can be asked. How it
 * decides is in `makeFeedChain`.
 *
 * Time comes with every input: `now` is elapsed time and may not fall; `wallMs` is the time of day, which may, and only
 * says whether a bar can have closed.
 */
import type { Either } from "effect"
import type { Bar, FeedHandedOver, FeedRecovered, FeedsDisagreed } from "../../protocols/Bar.ts"
import type { FeedSourceState } from "../../protocols/rpc/MarketDataRpcs.ts"
import type { BreakerOptions } from "./CircuitBreaker.ts"
import type { ClockSteppedBack, SourceFailed } from "./errors.ts"
import type { ChainSource } from "./SourceHealth.ts"

export interface ChainOptions {
  /** In the order of preference. */
  readonly sources: ReadonlyArray<ChainSource>
  readonly instruments: ReadonlyArray<string>
  readonly frameMs: number
  readonly handOverMs: number
  readonly wellForMs: number
  readonly fillMs: number
  /** Share by which two closes may differ. */
  readonly disagreeShare: number
  readonly breaker: BreakerOptions
}

/** Where the chain is taken up. */
export interface ChainStart {
  /** The source that was active before. */
  readonly active: string | null
  /** By instrument: the first open time that is wanted; without one the first bar that comes is the first. */
  readonly next: ReadonlyMap<string, number>
  /** Open times before this are asked for at once. */
  readonly through: number
}

interface At {
  readonly now: number
  readonly wallMs: number
}

export type ChainInput = At &
  (
    | { readonly type: "bar"; readonly source: string; readonly bar: Bar }
    /** A source's live bars have ended. */
    | { readonly type: "failed"; readonly source: string; readonly failure: SourceFailed }
    /** Bars of a gap. Every request is answered at last: by bars that are the last, or by a failure. */
    | {
        readonly type: "filled"
        readonly request: GapRequest
        readonly bars: ReadonlyArray<Bar>
        readonly isLast: boolean
      }
    | { readonly type: "not-filled"; readonly request: GapRequest; readonly failure: SourceFailed }
    | { readonly type: "tick" }
  )

export interface GapRequest {
  readonly id: number
  readonly source: string
  readonly instrument: string
  readonly from: number
  readonly to: number
}

export type FeedEvent =
  | { readonly type: "FeedHandedOver"; readonly payload: FeedHandedOver["payload"] }
  | { readonly type: "FeedsDisagreed"; readonly payload: FeedsDisagreed["payload"] }
  | { readonly type: "FeedRecovered"; readonly payload: FeedRecovered["payload"] }

export type ChainOutput =
  | { readonly type: "emit"; readonly bar: Bar }
  /** A bar whose turn is over: one that was left out, or another report of one that was passed on. */
  | { readonly type: "late"; readonly bar: Bar }
  | { readonly type: "connect"; readonly source: string }
  | { readonly type: "disconnect"; readonly source: string }
  | { readonly type: "fill"; readonly request: GapRequest }
  | { readonly type: "event"; readonly event: FeedEvent }

/** Bars that nobody gets, by why. */
export interface Dropped {
  duplicate: number
  overflowed: number
  refused: number
}

export interface FeedChain {
  readonly step: (input: ChainInput) => Either.Either<ReadonlyArray<ChainOutput>, ClockSteppedBack>
  readonly active: () => string
  /** Everything that opens before it has been passed on or is left out; null before the first bar. */
  readonly next: (instrument: string) => number | null
  /** Whether bars of the past are still to come. */
  readonly isFilling: (instrument: string) => boolean
  /** Whether a bar that closes at the as-of or before waits for its turn. */
  readonly isHolding: (instrument: string, asOf: number) => boolean
  /** Whether what lies between the start and the present is still being fetched. */
  readonly isCatchingUp: () => boolean
  readonly dropped: () => Readonly<Dropped>
  /** Gaps that could not be filled whole, and the bars missing in them. */
  readonly missing: () => { readonly gaps: number; readonly bars: number }
  readonly health: () => ReadonlyArray<FeedSourceState>
}
