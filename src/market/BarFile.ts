/**
 * Bar files, line by line: whoever reads the file (plain or through gzip) pushes its lines here and gets
 * columns of bars at the end. Nothing here opens a file.
 *
 * Files are dirty, and a bad row must neither stop the rest nor pass unseen: it is refused with its line and
 * the reason, and counted. What stops the file is in `finish`'s Left: it is no bar file, has no bars, too
 * large a share of it is refused (rows; in a wide file cells), or it is larger than the limits below. `push`
 * never throws.
 *
 * Layouts are described in BarFileHeader.ts, times in Timestamp.ts, and what counts as a gap in
 * BarSpacing.ts.
 *
 * Invariants: bars + refused = the selected rows (in a wide file: the selected cells that are not empty); the
 * bars depend on the order of the rows, not of the columns; the first k rows give the first k of the bars.
 */
import { Either } from "effect"
import type { Instrument } from "../protocols/Instrument.ts"
import type { TimeFrame } from "../protocols/TimeFrame.ts"
import { Limits } from "../protocols/wire/Limits.ts"
import { type BarFileLayout, recogniseHeader } from "./BarFileHeader.ts"
import { type Refusal, type RowReader, rowsReader, type Selection, Tally, wideReader } from "./BarRows.ts"
import type { BarSeries, ColumnsBuilder } from "./BarSeries.ts"
import { countGaps, inferCalendar, inferTimeFrame } from "./BarSpacing.ts"
import { delimiterOf, splitLine } from "./CsvLine.ts"
import {
  BadInstrumentName,
  type BarFileError,
  BarFileTooLarge,
  NoBars,
  NotABarFile,
  NothingSelected,
  SeveralInstruments,
  TimeFrameUnclear,
  TooManyRowsRefused
} from "./errors.ts"
import { csvVenue, fileInstrument, type GivenName, parseName, readFileName } from "./InstrumentName.ts"

export const barFileLimits = {
  /** Longest line: a header of 10,000 columns of 26 characters. */
  lineCharsMax: 262_144,
  rowsMax: 10_000_000,
  /** Bars of all instruments together; 48 bytes each. */
  barsMax: 10_000_000,
  /** Instruments of a long or wide file that are read, as many as one event carries. */
  instrumentsMax: Limits.barsPerEventMax,
  /** Instruments a long file may name, read or not. */
  instrumentsNamedMax: 100_000
} as const

export type BarFileLimits = { readonly [name in keyof typeof barFileLimits]: number }

export interface BarFileOptions {
  /** For messages, and because the file name tells the instrument, its kind and the wide layout. */
  readonly path: string
  /** The name a person gave the file: a symbol, or venue:symbol:kind. */
  readonly instrument?: string
  /** Symbols or full ids to keep; empty keeps all. */
  readonly symbols?: ReadonlyArray<string>
  /** Largest share of refused rows (cells of a wide file) that does not stop the file. */
  readonly refusedShareMax?: number
  /** Keeps the first so many instruments, by column or by appearance. */
  readonly instrumentsMax?: number
  /** Tighter limits than the ones above. */
  readonly limits?: Partial<BarFileLimits>
}

export interface ParsedBars {
  readonly path: string
  readonly layout: "single" | "long" | "wide"
  readonly timeFrame: TimeFrame
  /** In the order of columns or of appearance; each has a bar. */
  readonly series: ReadonlyArray<BarSeries>
  /** Lines below the header that are not blank. */
  readonly rowsRead: number
  readonly bars: number
  /** Rows refused; cells in a wide file, where a refused row counts with all its selected cells. */
  readonly refused: number
  /** The first refusals, at most 20. */
  readonly refusals: ReadonlyArray<Refusal>
  readonly gaps: number
  readonly barsMissing: number
}

export const refusedShareMaxDefault = 0.05
const byteOrderMark = 0xfeff

export class BarFileParser {
  private readonly path: string
  private readonly name: ReturnType<typeof readFileName>
  private readonly given: GivenName | null = null
  private readonly wanted: ReadonlySet<string>
  private readonly selection: Selection
  private readonly limits: BarFileLimits
  private readonly tally = new Tally()
  private failure: BarFileError | undefined
  private layout: BarFileLayout | undefined
  private reader: RowReader | undefined
  private delimiter = ","
  private lineNumber = 0
  private rowsRead = 0

  constructor(private readonly options: BarFileOptions) {
    this.path = options.path
    this.name = readFileName(options.path)
    if (options.instrument !== undefined) {
      const given = parseName(options.instrument, options.path)
      if (Either.isRight(given)) this.given = given.right
      else this.failure = given.left
    }
    this.limits = { ...barFileLimits, ...options.limits }
    this.wanted = new Set(options.symbols ?? [])
    const wantedSymbols = new Set([...this.wanted].map((name) => name.split(":")[1] ?? name))
    const wantedAsGiven = this.given !== null && wantedSymbols.has(this.given.symbol)
    this.selection = {
      // The kind, and with it the id, is known at the end only: here the symbol decides, there the id.
      selected: (symbol) => this.wanted.size === 0 || wantedAsGiven || wantedSymbols.has(symbol),
      instrumentsMax: Math.min(
        options.instrumentsMax ?? this.limits.instrumentsMax,
        this.limits.instrumentsMax
      )
    }
  }

  /** Takes the next line, without its line feed. False when more of the file would change nothing. */
  push(line: string): boolean {
    if (this.failure !== undefined) return false
    this.lineNumber++
    const text = line.endsWith("\r") ? line.slice(0, -1) : line
    if (text.trim() === "") return true
    if (this.reader === undefined)
      this.readHeader(text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text)
    else this.readRow(this.reader, text)
    return this.failure === undefined
  }

  /** What the file was worth, or the one reason why it is not used. */
  finish(): Either.Either<ParsedBars, BarFileError> {
    if (this.failure !== undefined) return Either.left(this.failure)
    const { path, tally, layout, reader } = this
    if (layout === undefined || reader === undefined)
      return Either.left(new NoBars({ path, reason: "it is empty" }))
    if (this.rowsRead === 0) return Either.left(new NoBars({ path, reason: "it has a header and no rows" }))
    const tooMany = this.tooManyRefused()
    if (tooMany !== undefined) return Either.left(tooMany)
    const filled = [...reader.instruments].filter(
      (entry): entry is [string, ColumnsBuilder] => entry[1] !== null && entry[1].length > 0
    )
    if (filled.length === 0) {
      return Either.left(
        this.wanted.size === 0
          ? new NoBars({ path, reason: "no cell of it holds a price" })
          : this.nothingSelected()
      )
    }
    if (this.given !== null && filled.length > 1) {
      const found = filled.slice(0, 100).map(([symbol]) => symbol)
      return Either.left(new SeveralInstruments({ path, instrument: this.given.symbol, found }))
    }
    const columns = filled.map(([symbol, builder]) => ({ symbol, columns: builder.finish() }))
    const seriesTimes = columns.map((one) => one.columns.openTime)
    const inferred = inferTimeFrame({ seriesTimes, dateOnly: tally.dateOnly, nameTokens: this.name.tokens })
    if ("reason" in inferred) return Either.left(new TimeFrameUnclear({ path, reason: inferred.reason }))
    const { timeFrame } = inferred
    const calendar = inferCalendar(seriesTimes, timeFrame)
    const series = columns
      .map(({ symbol, columns: bars }): [symbol: string, series: BarSeries] => [
        symbol,
        {
          ...bars,
          ...countGaps(bars.openTime, timeFrame, calendar),
          instrument: this.instrumentOf(symbol, calendar),
          timeFrame
        }
      ])
      .filter(([symbol, { instrument }]) => this.isWanted(symbol, instrument))
      .map(([, one]) => one)
    if (series.length === 0) return Either.left(this.nothingSelected(calendar))
    return Either.right({
      path,
      layout: layout._tag === "Wide" ? "wide" : layout.instrument === null ? "single" : "long",
      timeFrame,
      series,
      rowsRead: this.rowsRead,
      bars: series.reduce((sum, one) => sum + one.openTime.length, 0),
      refused: tally.refused,
      refusals: tally.refusals,
      gaps: series.reduce((sum, one) => sum + one.gaps, 0),
      barsMissing: series.reduce((sum, one) => sum + one.barsMissing, 0)
    })
  }

  private readHeader(line: string): void {
    const { path } = this
    this.delimiter = delimiterOf(line)
    const header = line.length > this.limits.lineCharsMax ? undefined : splitLine(line, this.delimiter)
    if (header === undefined) {
      const reason = "its first line is too long or has an open quote"
      this.failure = new NotABarFile({ path, reason, columns: [line.slice(0, 40)], columnsTotal: 1 })
      return
    }
    const recognised = recogniseHeader(path, this.name.stem, header)
    if (Either.isLeft(recognised)) {
      this.failure = recognised.left
      return
    }
    const layout = recognised.right
    this.layout = layout
    const symbol = this.given?.symbol ?? this.name.symbol
    if (layout._tag === "Rows" && layout.instrument === null && symbol === "") {
      this.failure = new BadInstrumentName({ where: path, name: this.name.stem.slice(0, 96) })
      return
    }
    this.reader =
      layout._tag === "Wide"
        ? wideReader(layout, this.selection, this.tally)
        : rowsReader(layout, symbol, this.selection, this.tally)
    // The rows of a long file name further instruments; elsewhere all are known now.
    const { instruments } = this.reader
    if (instruments.size > 0 && ![...instruments.values()].some((columns) => columns !== null)) {
      this.failure = this.nothingSelected()
    }
  }

  private readRow(reader: RowReader, line: string): void {
    this.rowsRead++
    if (line.length > this.limits.lineCharsMax) {
      reader.refuseRow(this.lineNumber, `the line is longer than ${this.limits.lineCharsMax} characters`)
    } else {
      const fields = splitLine(line, this.delimiter)
      if (fields === undefined)
        reader.refuseRow(this.lineNumber, "a quote is not closed where its field ends")
      else reader.read(fields, this.lineNumber)
    }
    const { rowsMax, barsMax, instrumentsNamedMax } = this.limits
    if (this.rowsRead > rowsMax) this.failTooLarge("rows", rowsMax)
    if (this.tally.bars > barsMax) this.failTooLarge("bars", barsMax)
    if (reader.instruments.size > instrumentsNamedMax) this.failTooLarge("instruments", instrumentsNamedMax)
  }

  private failTooLarge(what: string, limit: number): void {
    this.failure = new BarFileTooLarge({ path: this.path, what, limit })
  }

  private tooManyRefused(): TooManyRowsRefused | undefined {
    const { refused, bars, refusals } = this.tally
    const shareMax = this.options.refusedShareMax ?? refusedShareMaxDefault
    const rows = refused + bars
    const [first] = refusals
    if (first === undefined || refused <= shareMax * rows) return undefined
    return new TooManyRowsRefused({
      path: this.path,
      refused,
      rows,
      share: refused / rows,
      shareMax,
      unit: this.layout?._tag === "Wide" ? "cells" : "rows",
      firstLine: first.line,
      firstReason: first.reason
    })
  }

  private instrumentOf(symbol: string, calendar: Instrument["calendar"]): Instrument {
    const kind = this.name.kind ?? (calendar === "weekdays" ? "equity" : "other")
    return this.given === null
      ? fileInstrument(csvVenue, symbol, kind, calendar)
      : fileInstrument(
          this.given.full?.venue ?? csvVenue,
          this.given.symbol,
          this.given.full?.kind ?? kind,
          calendar
        )
  }

  private isWanted(symbol: string, instrument: Instrument): boolean {
    const { wanted } = this
    return (
      wanted.size === 0 || wanted.has(symbol) || wanted.has(instrument.symbol) || wanted.has(instrument.id)
    )
  }

  private nothingSelected(calendar?: Instrument["calendar"]): NothingSelected {
    const all = [...(this.reader?.instruments.keys() ?? [])].slice(0, 100)
    const found = calendar === undefined ? all : all.map((symbol) => this.instrumentOf(symbol, calendar).id)
    return new NothingSelected({ path: this.path, symbols: [...this.wanted], found })
  }
}
