/** What the market room refuses: bar files, schedules of bars, simulated worlds. */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

const listed = (names: ReadonlyArray<string>): string => {
  const some = names.slice(0, 8).join(", ")
  return names.length > 8 ? `${some} and ${names.length - 8} more` : some
}

/** The header is not that of a bar file. */
export class NotABarFile extends Schema.TaggedError<NotABarFile>()("NotABarFile", {
  path: Text,
  /** What is wrong, as the end of a sentence: "it has no close column …". */
  reason: Text,
  /** The names in its first line, the first few of them. */
  columns: Schema.Array(Text),
  columnsTotal: Count
}) {
  override get message() {
    const rest =
      this.columnsTotal > this.columns.length ? ` and ${this.columnsTotal - this.columns.length} more` : ""
    return `${this.path} is no bar file: ${this.reason}; its first line reads ${this.columns.join(", ")}${rest}.`
  }
}

/** It is a bar file by its header, and not one bar can be had of it. */
export class NoBars extends Schema.TaggedError<NoBars>()("NoBars", { path: Text, reason: Text }) {
  override get message() {
    return `${this.path} holds no bars: ${this.reason}.`
  }
}

/** None of the instruments of the file was asked for. */
export class NothingSelected extends Schema.TaggedError<NothingSelected>()("NothingSelected", {
  path: Text,
  symbols: Schema.Array(Text),
  found: Schema.Array(Text)
}) {
  override get message() {
    return `${this.path} holds no bars of ${listed(this.symbols)}: it has ${listed(this.found)}. Choose one of these by --symbol, or leave it out.`
  }
}

export class TooManyRowsRefused extends Schema.TaggedError<TooManyRowsRefused>()("TooManyRowsRefused", {
  path: Text,
  refused: Count,
  /** Rows checked; cells of a wide file. */
  rows: Count,
  /** refused / rows. */
  share: Count,
  shareMax: Count,
  unit: Schema.Literal("rows", "cells"),
  firstLine: Count,
  firstReason: Text
}) {
  override get message() {
    const percent = (share: number) => `${Number((share * 100).toFixed(2))}%`
    return `${this.path}: ${this.refused} of ${this.rows} ${this.unit} are refused, ${percent(this.share)} where ${percent(this.shareMax)} are allowed; the first on line ${this.firstLine}: ${this.firstReason}. Mend the file or allow a larger share.`
  }
}

/** The times do not tell how long a bar is. */
export class TimeFrameUnclear extends Schema.TaggedError<TimeFrameUnclear>()("TimeFrameUnclear", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `${this.path}: the length of its bars is unclear: ${this.reason}. A file name like BTCUSDT_1h.csv says it where the times do not.`
  }
}

export class BadInstrumentName extends Schema.TaggedError<BadInstrumentName>()("BadInstrumentName", {
  where: Text,
  name: Text
}) {
  override get message() {
    return `${this.where}: "${this.name}" is no name of an instrument: expected a symbol of at most 48 letters, digits and ._^&/- or venue:symbol:kind, like binance:BTCUSDT:perp.`
  }
}

/** One name was given for a file of several instruments. */
export class SeveralInstruments extends Schema.TaggedError<SeveralInstruments>()("SeveralInstruments", {
  path: Text,
  instrument: Text,
  found: Schema.Array(Text)
}) {
  override get message() {
    return `${this.path} cannot be named ${this.instrument}: it holds ${this.found.length} instruments (${listed(this.found)}). Leave the name away and choose by --symbol.`
  }
}

export class BarFileTooLarge extends Schema.TaggedError<BarFileTooLarge>()("BarFileTooLarge", {
  path: Text,
  /** What there is too much of: rows, bars, instruments. */
  what: Text,
  limit: Count
}) {
  override get message() {
    return `${this.path} holds more than ${this.limit} ${this.what}: split it into files of their own.`
  }
}

export type BarFileError =
  | NotABarFile
  | NoBars
  | NothingSelected
  | TooManyRowsRefused
  | TimeFrameUnclear
  | BadInstrumentName
  | SeveralInstruments
  | BarFileTooLarge

/** As-ofs are counted in bars of one length. */
export class MixedTimeFrames extends Schema.TaggedError<MixedTimeFrames>()("MixedTimeFrames", {
  first: Text,
  firstTimeFrame: Text,
  other: Text,
  otherTimeFrame: Text
}) {
  override get message() {
    return `${this.first} has bars of ${this.firstTimeFrame}, ${this.other} of ${this.otherTimeFrame}: one run takes one time frame, so run them apart.`
  }
}

export class DuplicateInstrument extends Schema.TaggedError<DuplicateInstrument>()("DuplicateInstrument", {
  instrument: Text
}) {
  override get message() {
    return `${this.instrument} is there twice: give one of the two another name (--path NAME=FILE), or leave it out.`
  }
}

export class TooManyInstruments extends Schema.TaggedError<TooManyInstruments>()("TooManyInstruments", {
  instruments: Count,
  instrumentsMax: Count
}) {
  override get message() {
    return `${this.instruments} instruments are more than the ${this.instrumentsMax} that one event can carry: choose some by --symbol.`
  }
}

export type ScheduleError = MixedTimeFrames | DuplicateInstrument | TooManyInstruments

/** Bars cannot be put together to longer ones of this length. */
export class TimeFrameUnfit extends Schema.TaggedError<TimeFrameUnfit>()("TimeFrameUnfit", {
  instrument: Text,
  timeFrame: Text,
  reason: Text
}) {
  override get message() {
    return `${this.instrument} has no bars of ${this.timeFrame}: ${this.reason}.`
  }
}

/** The definition of a simulated world contradicts itself. */
export class ImpossibleWorld extends Schema.TaggedError<ImpossibleWorld>()("ImpossibleWorld", {
  world: Text,
  reason: Text
}) {
  override get message() {
    return `The world "${this.world}" cannot be simulated: ${this.reason}.`
  }
}

export type SimulatorError = ImpossibleWorld | BadInstrumentName | DuplicateInstrument | TooManyInstruments
