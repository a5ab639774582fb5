/**
 * Where bars come from: a finite or endless sequence of as-ofs that can be taken up where it was left. Opening it is
 * done once, before anything is started, so that a file that cannot be read ends the program with one line.
 */
import type { Effect, Scope } from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { FeedSourceState } from "../../protocols/rpc/MarketDataRpcs.ts"
import { type TimeFrame, toMs } from "../../protocols/TimeFrame.ts"
import type { FeedEvent } from "./FeedChain.ts"
import type { Strays } from "./readBarFile.ts"

/** Where a feed is taken up: what the journal holds of it. */
export interface FeedPosition {
  /** As-ofs published. */
  readonly index: number
  /** The latest of them. */
  readonly asOf: number | null
  /** The source that was active, of a chain. */
  readonly active: string | null
}

/** The bars of one as-of, bars of as-ofs that were given before, or what befell the sources of a chain before the next. */
export type FeedItem =
  | { readonly bars: ReadonlyArray<Bar>; readonly late?: undefined; readonly event?: undefined }
  | { readonly late: ReadonlyArray<Bar>; readonly bars?: undefined; readonly event?: undefined }
  | { readonly event: FeedEvent; readonly bars?: undefined; readonly late?: undefined }

/** One item after the other; undefined at the end. */
export type TakeItem = Effect.Effect<FeedItem | undefined>

export interface Feed {
  /** For people. */
  readonly source: string
  readonly kind: "csv" | "simulator" | "live"
  /** Of everything that its bars follow from. */
  readonly fingerprint: string
  readonly timeFrame: TimeFrame
  readonly instruments: ReadonlyArray<Instrument>
  /** As-ofs; null for a feed without an end. */
  readonly total: number | null
  readonly warmUp: number
  /** Milliseconds between as-ofs; null for lock-step. */
  readonly paceMs: number | null
  /** Whether its bars come at their own time; whoever takes those of another keeps time himself. */
  readonly isLive: boolean
  /** Whether a source counts the revisions of its bars anew in every life of the run; else they are told by the place. */
  readonly countsAnew: (source: string) => boolean
  /** The files it was read from. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly digest: string }>
  readonly rowsRefused: number
  readonly gaps: number
  readonly barsMissing: number
  /** For people: what was refused, the first of it. */
  readonly refusals: ReadonlyArray<{ readonly path: string; readonly line: number; readonly reason: string }>
  /** For people: what files have of days without a session. */
  readonly strays: ReadonlyArray<Strays & { readonly path: string }>
  /** Takes it up; a live one runs until the scope is closed. */
  readonly from: (position: FeedPosition) => Effect.Effect<TakeItem, never, Scope.Scope>
  /** How the sources of a live one do. */
  readonly sources: () => ReadonlyArray<FeedSourceState>
}

/** What a feed that is no chain has to say of its sources. */
export const noSources = (): ReadonlyArray<FeedSourceState> => []
export const neverAnew = (): boolean => false

export const paceOf = (speed: string, timeFrame: TimeFrame): number | null => {
  if (speed === "max") return null
  return toMs(timeFrame) / (speed === "real" ? 1 : Number.parseFloat(speed))
}
