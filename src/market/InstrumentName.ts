/**
 * Names of instruments as people and files give them: `venue:symbol:kind` in full, or a plain symbol, or what
 * the name of a file says (`BTCUSDT_perp_1h.csv.gz` is the perpetual BTCUSDT in bars of an hour).
 *
 * A file name is free text: what a symbol may not hold becomes a hyphen, so that a name never stops a file
 * unless nothing of it is left.
 */
import { Either, Schema } from "effect"
import { type Instrument, InstrumentId, InstrumentKind, instrumentId } from "../protocols/Instrument.ts"
import { BadInstrumentName } from "./errors.ts"

const symbolPattern = /^[A-Za-z0-9._^&/-]{1,48}$/
const isId = Schema.is(InstrumentId)
const isKind = Schema.is(InstrumentKind)

export const isSymbol = (text: string): boolean => symbolPattern.test(text)

/** The venue of what comes from files whose name says nothing else. */
export const csvVenue = "csv"

export interface GivenName {
  readonly symbol: string
  /** Present where the name was given in full. */
  readonly full: { readonly venue: string; readonly kind: InstrumentKind } | null
}

/** Reads a name that a person gave; `where` begins the message. */
export const parseName = (name: string, where: string): Either.Either<GivenName, BadInstrumentName> => {
  if (isId(name)) {
    const [venue, symbol, kind] = name.split(":") as [string, string, InstrumentKind]
    return Either.right({ symbol, full: { venue, kind } })
  }
  return isSymbol(name)
    ? Either.right({ symbol: name, full: null })
    : Either.left(new BadInstrumentName({ where, name: name.slice(0, 96) }))
}

export interface FileName {
  /** Without folder and extensions. */
  readonly stem: string
  /** The parts between underscores, in lower case. */
  readonly tokens: ReadonlyArray<string>
  /** The first part, made a symbol; empty where nothing of it is left. */
  readonly symbol: string
  readonly kind: InstrumentKind | null
}

export const readFileName = (path: string): FileName => {
  const base = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)
  const stem = base.replace(/\.gz$/i, "").replace(/\.(csv|txt|tsv)$/i, "")
  const [first = "", ...others] = stem.split("_")
  return {
    stem,
    tokens: stem.toLowerCase().split("_"),
    symbol: first.replace(/[^A-Za-z0-9._^&/-]+/g, "-").slice(0, 48),
    kind: others.map((part) => part.toLowerCase()).find(isKind) ?? null
  }
}

/** An instrument of a bar file: files say nothing of ticks and lots, so that both are a millionth. */
export const fileInstrument = (
  venue: string,
  symbol: string,
  kind: InstrumentKind,
  calendar: Instrument["calendar"]
): Instrument => ({
  id: instrumentId(venue, symbol, kind),
  venue,
  symbol,
  kind,
  tick: 1e-6,
  lot: 1e-6,
  currency: symbol.endsWith("USDT") ? "USDT" : "USD",
  calendar
})
