/** What is traded: a symbol of a kind at a venue. */
import { Schema } from "effect"
import { EpochMs } from "./wire/Ids.ts"

/** `venue:symbol:kind`, for instance `binance:BTCUSDT:perp`. */
export const InstrumentId = Schema.String.pipe(
  Schema.maxLength(96),
  Schema.pattern(/^[a-z0-9-]{1,24}:[A-Za-z0-9._^&/-]{1,48}:(spot|perp|future|equity|index|fx|other)$/, {
    message: () => "expected venue:symbol:kind, like binance:BTCUSDT:perp"
  }),
  Schema.brand("InstrumentId")
)
export type InstrumentId = typeof InstrumentId.Type

export const InstrumentKind = Schema.Literal("spot", "perp", "future", "equity", "index", "fx", "other")
export type InstrumentKind = typeof InstrumentKind.Type

/**
 * When the market trades: `always` around the clock, `weekdays` on Monday to Friday (UTC), `nyse` in the regular sessions
 * of the New York exchanges.
 */
export const Calendar = Schema.Literal("always", "weekdays", "nyse")
export type Calendar = typeof Calendar.Type

export const Instrument = Schema.Struct({
  id: InstrumentId,
  venue: Schema.String,
  symbol: Schema.String,
  kind: InstrumentKind,
  /** Smallest step of the price, in quote units. */
  tick: Schema.Finite.pipe(Schema.positive()),
  /** Smallest step of the quantity, in base units. */
  lot: Schema.Finite.pipe(Schema.positive()),
  /** What prices are quoted in. */
  currency: Schema.String.pipe(Schema.maxLength(12)),
  calendar: Calendar,
  listedAt: Schema.optional(EpochMs)
})
export type Instrument = typeof Instrument.Type

export const instrumentId = (venue: string, symbol: string, kind: InstrumentKind): InstrumentId =>
  InstrumentId.make(`${venue}:${symbol}:${kind}`)

/** The instrument as one token of a subject: `binance-BTCUSDT-perp`; what a token may not hold is written `=2f`. */
export const subjectToken = (id: InstrumentId): string =>
  id
    .split(":")
    .map((part) =>
      part.replace(/[^A-Za-z0-9_]/g, (char) => `=${char.charCodeAt(0).toString(16).padStart(2, "0")}`)
    )
    .join("-")

export const symbolOf = (id: InstrumentId): string => id.split(":")[1] as string
