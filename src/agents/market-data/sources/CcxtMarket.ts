/** What of an exchange's market is needed: which instrument it is, what its numbers mean, how many bars a request gives. */
import { Either, Schema } from "effect"
import { type Instrument, InstrumentId, type InstrumentKind } from "../../../protocols/Instrument.ts"
import type { MarketDescription } from "./exchangeThread.js"
import {
  type CcxtSettings,
  ListedInstrument,
  listedInstrument,
  plainUnits,
  type UnitSettings
} from "./SourceSettings.ts"

export interface Market {
  readonly instrument: Instrument
  /** ccxt's name of it. */
  readonly symbol: string
  readonly units: UnitSettings
  /** Bars that one request may ask for. */
  readonly pageBarsMax: number
}

/** What is kept of an answer at once, and taken in one go. */
const pageBarsMax = 1_000

/** ccxt counts precision in steps, in decimal places, or in significant digits, which have no step. */
const precisionModes = { decimalPlaces: 2, tickSize: 4 } as const
const smallestStep = 1e-8

const stepOf = (precision: unknown, mode: unknown): number | undefined => {
  if (typeof precision !== "number") return undefined
  // Division gives the double nearest to the decimal.
  if (mode === precisionModes.decimalPlaces) return 1 / 10 ** precision
  if (!(precision > 0)) return undefined
  return mode === precisionModes.tickSize ? precision : smallestStep
}

const kindOf = ({ linear, type }: MarketDescription): InstrumentKind | undefined => {
  if (type === "spot") return "spot"
  // What is settled in its own coin has no lot in base units.
  if (linear !== true) return undefined
  return type === "swap" ? "perp" : type === "future" ? "future" : undefined
}

const isInstrumentId = Schema.is(InstrumentId)
const isListed = Schema.is(ListedInstrument)
const isTime = Schema.is(Schema.NonNegativeInt)

/** The instrument that a market is, under the name that it is given, or why it cannot be used. */
export const marketOf = (
  market: MarketDescription,
  { exchange, volumeIn }: CcxtSettings,
  instrument: InstrumentId | undefined
): Either.Either<Market, string> => {
  const { created, limit, precisionMode, quote, symbol } = market
  const kind = kindOf(market)
  if (kind === undefined) return Either.left(`${symbol} is of a kind that has no bars here`)
  const id = instrument ?? `${exchange}:${market.id}:${kind}`
  if (!isInstrumentId(id)) return Either.left(`${id} is no name of an instrument: give one for ${symbol}`)
  const contractSize = market.contract === true ? market.contractSize : 1
  const tick = stepOf(market.tick, precisionMode)
  const step = stepOf(market.step, precisionMode)
  if (tick === undefined || step === undefined || typeof contractSize !== "number") {
    return Either.left(`${exchange} does not tell the steps of ${symbol}`)
  }
  const listed = { id, tick, lot: step * contractSize, currency: quote, calendar: "always" }
  if (!isListed(listed)) return Either.left(`${exchange} does not describe ${symbol} well`)
  return Either.right({
    instrument: { ...listedInstrument(listed), ...(isTime(created) ? { listedAt: created } : {}) },
    symbol,
    units: { ...plainUnits, volumeFactor: volumeIn === "contracts" ? contractSize : 1 },
    pageBarsMax: typeof limit === "number" && limit >= 1 ? Math.min(limit, pageBarsMax) : pageBarsMax
  })
}
