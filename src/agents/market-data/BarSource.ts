/** One place that bars come from. What it gives is decoded and bounded; whether it fits what came before is the chain's concern. */
import type { Effect, Stream } from "effect"
import type { Bar } from "../../protocols/Bar.ts"
import type { Instrument } from "../../protocols/Instrument.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type { SourceFailed } from "./errors.ts"

export interface BarRequest {
  readonly instruments: ReadonlyArray<Instrument>
  readonly timeFrame: TimeFrame
}

export interface HistoryRequest {
  readonly instrument: Instrument
  readonly timeFrame: TimeFrame
  /** Open times in [from, to), epoch milliseconds. */
  readonly from: number
  readonly to: number
}

export interface BarSource {
  /** Also the `source` of its bars. */
  readonly name: string
  readonly kind: "ccxt" | "companion" | "redis" | "nats" | "simulator" | "file" | "sqlite"
  /** Units of what it gives: price in quote currency, volume in base units; a source in other units converts and says so here. */
  readonly units: { readonly price: string; readonly volume: string }
  /** What it can be asked for; instruments with tick, lot, currency. */
  readonly instruments: Effect.Effect<ReadonlyArray<Instrument>, SourceFailed>
  /** Closed bars of the past, ascending, paged within; null where there is no history. */
  readonly history: ((request: HistoryRequest) => Stream.Stream<Bar, SourceFailed>) | null
  /** Closed bars as they come; ends only by failing. null where it has no live bars. */
  readonly live: ((request: BarRequest) => Stream.Stream<Bar, SourceFailed>) | null
  /** How much of what it was told, and was to be a bar, it has refused since it was opened. */
  readonly refused: () => number
}
