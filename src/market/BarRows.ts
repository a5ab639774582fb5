/**
 * The rows of a bar file into columns, one check after the other. A row (in a wide file: a cell) that fails a
 * check is refused with its line and the reason, counted, and leaves no trace in the bars: in particular it
 * does not move the time that the next one has to be after.
 */

import type { RowLayout, WideLayout } from "./BarFileHeader.ts"
import { ColumnsBuilder } from "./BarSeries.ts"
import { isSymbol } from "./InstrumentName.ts"
import { isDateOnly, parseTimestamp } from "./Timestamp.ts"

export interface Refusal {
  /** Counted from 1, the header among them. */
  readonly line: number
  readonly reason: string
}

/** Refusals that are kept with their reasons; all are counted. */
export const refusalsKeptMax = 20
const quotedCharsMax = 40

/** What has been read and refused so far. */
export class Tally {
  bars = 0
  refused = 0
  /** Whether every accepted time was a date without a time of day. */
  dateOnly = true
  readonly refusals: Array<Refusal> = []

  refuse(line: number, reason: string, count = 1): void {
    this.refused += count
    if (this.refusals.length < refusalsKeptMax) this.refusals.push({ line, reason })
  }
}

export interface RowReader {
  readonly read: (fields: ReadonlyArray<string>, line: number) => void
  /** A row whose fields cannot be told apart. */
  readonly refuseRow: (line: number, reason: string) => void
  /** Every instrument of the file, with its columns where it is selected. */
  readonly instruments: ReadonlyMap<string, ColumnsBuilder | null>
}

export interface Selection {
  readonly selected: (symbol: string) => boolean
  readonly instrumentsMax: number
}

const quoted = (text: string): string =>
  `"${text.length > quotedCharsMax ? `${text.slice(0, quotedCharsMax)}…` : text}"`

const isNumeral = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    const isDigit = char >= 0x30 && char <= 0x39
    // . + - E e
    if (!isDigit && char !== 0x2e && char !== 0x2b && char !== 0x2d && char !== 0x45 && char !== 0x65)
      return false
  }
  return text.length > 0
}

/** A finite decimal number, or NaN. `Number` alone reads "", "0x1f" and "Infinity" too. */
export const parseNumber = (text: string): number => {
  const value = isNumeral(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : Number.NaN
}

const whyNoNumber = (name: string, text: string): string =>
  text === "" ? `${name} is empty` : `${name} ${quoted(text)} is not a finite number`

const whyNoTime = (text: string): string =>
  text === "" ? "the time is empty" : `the time ${quoted(text)} cannot be read`

/** What is wrong with a time that could be read, if anything. */
const whyNotThen = (time: number, lastTime: number, text: string): string | undefined => {
  if (time < 0) return `the time ${quoted(text)} is before 1970`
  if (time > lastTime) return undefined
  return time === lastTime
    ? `the time ${quoted(text)} comes a second time`
    : `the time ${quoted(text)} is not after the one before, ${new Date(lastTime).toISOString()}`
}

const wrongWidth = (fields: ReadonlyArray<string>, columns: number): string =>
  `${fields.length} columns where the header has ${columns}`

/** Rows of bars, of one instrument or with a column that names it. */
export const rowsReader = (
  layout: RowLayout,
  fileSymbol: string,
  selection: Selection,
  tally: Tally
): RowReader => {
  const { openHighLow } = layout
  const instruments = new Map<string, ColumnsBuilder | null>()
  let selectedCount = 0
  const builderOf = (symbol: string): ColumnsBuilder | null => {
    const known = instruments.get(symbol)
    if (known !== undefined) return known
    const wanted = selectedCount < selection.instrumentsMax && selection.selected(symbol)
    const builder = wanted ? new ColumnsBuilder(openHighLow === null, layout.volume !== null) : null
    if (wanted) selectedCount++
    instruments.set(symbol, builder)
    return builder
  }
  const fileBuilder = layout.instrument === null ? builderOf(fileSymbol) : null

  /** The number in a column, NaN after noting in `reason` why there is none. */
  let reason: string | undefined
  const price = (fields: ReadonlyArray<string>, column: number, name: string): number => {
    const text = (fields[column] as string).trim()
    const value = parseNumber(text)
    if (value > 0) return value
    reason ??= Number.isNaN(value) ? whyNoNumber(name, text) : `${name} ${text} is not positive`
    return Number.NaN
  }

  const accept = (fields: ReadonlyArray<string>): string | undefined => {
    if (fields.length !== layout.columns) return wrongWidth(fields, layout.columns)
    let builder = fileBuilder
    if (layout.instrument !== null) {
      const symbol = (fields[layout.instrument] as string).trim()
      if (!isSymbol(symbol))
        return symbol === "" ? "the instrument is empty" : `${quoted(symbol)} is no symbol`
      builder = builderOf(symbol)
    }
    if (builder === null) return undefined
    const timeText = (fields[layout.time] as string).trim()
    const time = parseTimestamp(timeText)
    if (Number.isNaN(time)) return whyNoTime(timeText)

    reason = undefined
    const close = price(fields, layout.close, "close")
    let open = close
    let high = close
    let low = close
    let volume = 0
    if (openHighLow !== null) {
      open = price(fields, openHighLow[0], "open")
      high = price(fields, openHighLow[1], "high")
      low = price(fields, openHighLow[2], "low")
      if (reason !== undefined) return reason
      if (low > high) return `low ${low} is above high ${high}`
      if (open < low || open > high) return `open ${open} lies outside low ${low} to high ${high}`
      if (close < low || close > high) return `close ${close} lies outside low ${low} to high ${high}`
      if (layout.volume !== null) {
        const text = (fields[layout.volume] as string).trim()
        volume = parseNumber(text)
        if (Number.isNaN(volume)) return whyNoNumber("volume", text)
        if (volume < 0) return `volume ${text} is negative`
      }
    }
    if (reason !== undefined) return reason
    const late = whyNotThen(time, builder.lastTime, timeText)
    if (late !== undefined) return late
    if (tally.dateOnly && !isDateOnly(timeText)) tally.dateOnly = false
    builder.push(time, close, open, high, low, volume)
    tally.bars++
    return undefined
  }

  return {
    read: (fields, line) => {
      const refused = accept(fields)
      if (refused !== undefined) tally.refuse(line, refused)
    },
    refuseRow: (line, why) => tally.refuse(line, why),
    instruments
  }
}

/** One row per time and one close per instrument; an empty cell is no bar and nothing to refuse. */
export const wideReader = (layout: WideLayout, selection: Selection, tally: Tally): RowReader => {
  const instruments = new Map<string, ColumnsBuilder | null>(
    layout.instruments.map(({ symbol }) => [symbol, null])
  )
  const cells = layout.instruments
    .filter(({ symbol }) => selection.selected(symbol))
    .slice(0, selection.instrumentsMax)
    .map(({ column, symbol }) => ({ column, symbol, builder: new ColumnsBuilder(true, false) }))
  for (const { symbol, builder } of cells) instruments.set(symbol, builder)
  let lastTime = Number.NEGATIVE_INFINITY
  // A row without a usable time takes all its cells with it.
  const refuseRow = (line: number, reason: string) => tally.refuse(line, reason, cells.length)

  const whyNotRow = (fields: ReadonlyArray<string>, timeText: string, time: number): string | undefined => {
    if (fields.length !== layout.columns) return wrongWidth(fields, layout.columns)
    return Number.isNaN(time) ? whyNoTime(timeText) : whyNotThen(time, lastTime, timeText)
  }

  const read = (fields: ReadonlyArray<string>, line: number): void => {
    const timeText = (fields[layout.time] ?? "").trim()
    const time = parseTimestamp(timeText)
    const refused = whyNotRow(fields, timeText, time)
    if (refused !== undefined) {
      refuseRow(line, refused)
      return
    }
    lastTime = time
    if (tally.dateOnly && !isDateOnly(timeText)) tally.dateOnly = false
    for (const { column, symbol, builder } of cells) {
      const text = (fields[column] as string).trim()
      if (text === "") continue
      const close = parseNumber(text)
      if (close > 0) {
        builder.push(time, close, close, close, close, 0)
        tally.bars++
      } else {
        tally.refuse(
          line,
          Number.isNaN(close) ? whyNoNumber(symbol, text) : `${symbol} ${text} is not positive`
        )
      }
    }
  }
  return { read, refuseRow, instruments }
}
