/**
 * The ten features of the equity market from files: closes of the volatility index and of the share index, the put/call
 * ratio, and a panel of shares. A row is a session of New York, from the first to the last that all the files reach over;
 * what a file leaves out is absent there, and so is what is made of a file that is not given.
 *
 * Columns: `date,close` of the two indices, `date,put_call_ratio`, `date` and one column a ticker in each table of the
 * panel, `ticker,sector`; further columns of all but the panel are passed over.
 *
 * What can go wrong: a file that cannot be read or is no such table, files that have no time in common, a date within it on
 * which there was no session, a ticker that is not in all of the panel or has no sector: InputTableUnfit says which, and
 * where.
 * Invariant: a row follows from what the files say of its date and those before it.
 */
import { Effect, Either } from "effect"
import type { Steps } from "../../learning/steps.ts"
import {
  type MarketSession,
  makeMarketFeatures,
  marketFeatureSchema
} from "../../market/features/MarketFeatures.ts"
import { dayMs } from "../../market/time/Calendar.ts"
import { nyseSessionOn } from "../../market/time/NyseSessions.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { InputTableUnfit } from "../training/errors.ts"
import { readTableText } from "../training/InputTable.ts"
import { type DatedTable, parseDatedTable } from "./DatedTable.ts"
import { type FeatureTable, makeFeatureTable } from "./FeatureTable.ts"
import { parseSectors } from "./SectorTable.ts"

/** Paths, of what there is. */
export interface MarketFiles {
  readonly vix?: string | undefined
  readonly index?: string | undefined
  readonly putCall?: string | undefined
  readonly panel?: PanelFiles | undefined
}

export interface PanelFiles {
  /** Closes adjusted for splits and dividends, and for splits alone; shares traded. */
  readonly adjusted: string
  readonly close: string
  readonly volume: string
  readonly sectors: string
}

interface Panel {
  readonly adjusted: DatedTable
  readonly close: DatedTable
  readonly volume: DatedTable
  /** Of each ticker, in the order of the adjusted closes. */
  readonly sectors: ReadonlyArray<string>
}

interface Tables {
  readonly vix: DatedTable | null
  readonly index: DatedTable | null
  readonly putCall: DatedTable | null
  readonly panel: Panel | null
}

const sessionsPerStep = 10
const unfit = (path: string, reason: string) => Either.left(new InputTableUnfit({ path, reason }))
const dateOf = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10)

const readDated = (path: string, wanted?: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const text = yield* readTableText(path)
    return yield* yield* stepwise(parseDatedTable(path, text, wanted))
  })

const readGiven = (path: string | undefined, column: string) =>
  path === undefined ? Effect.succeed(null) : readDated(path, [column])

const readPanel = (files: PanelFiles): Effect.Effect<Panel, InputTableUnfit> =>
  Effect.gen(function* () {
    const adjusted = yield* readDated(files.adjusted)
    const tickers = adjusted.columns
    const close = yield* readDated(files.close, tickers)
    const volume = yield* readDated(files.volume, tickers)
    const sectorsText = yield* readTableText(files.sectors)
    const byTicker = yield* yield* stepwise(parseSectors(files.sectors, sectorsText))
    const homeless = tickers.find((ticker) => !byTicker.has(ticker))
    if (homeless !== undefined) return yield* unfit(files.sectors, `it names no sector of ${homeless}`)
    return { adjusted, close, volume, sectors: tickers.map((ticker) => byTicker.get(ticker) as string) }
  })

const tablesOf = ({ index, panel, putCall, vix }: Tables): ReadonlyArray<DatedTable> =>
  [vix, index, putCall, panel?.adjusted, panel?.close, panel?.volume].filter((table) => table != null)

/** The days that all tables reach over. */
const rangeOf = (
  tables: ReadonlyArray<DatedTable>
): Either.Either<{ readonly first: number; readonly last: number }, InputTableUnfit> => {
  const latest = tables.reduce((a, b) => (b.first > a.first ? b : a))
  const earliest = tables.reduce((a, b) => (b.last < a.last ? b : a))
  const [first, last] = [latest.first, earliest.last]
  return first <= last
    ? Either.right({ first, last })
    : unfit(latest.path, `it begins on ${dateOf(first)}, after ${earliest.path} has ended on ${dateOf(last)}`)
}

/** Rows of days on which nothing was traded are a mistake of the file; outside the range they do not matter. */
const checkSessions = (
  tables: ReadonlyArray<DatedTable>,
  first: number,
  last: number
): Either.Either<void, InputTableUnfit> => {
  for (const { path, rows } of tables) {
    for (const [day, { line }] of rows) {
      if (day < first || day > last || nyseSessionOn(day) !== undefined) continue
      return unfit(path, `line ${line} has the date ${dateOf(day)}, on which New York had no session`)
    }
  }
  return Either.right(undefined)
}

const valueOn = (table: DatedTable | null, day: number): number | null =>
  table?.rows.get(day)?.values[0] ?? null

const panelOn = (panel: Panel | null, day: number): MarketSession["panel"] => {
  const adjustedClose = panel?.adjusted.rows.get(day)?.values
  const close = panel?.close.rows.get(day)?.values
  const volume = panel?.volume.rows.get(day)?.values
  return adjustedClose === undefined || close === undefined || volume === undefined
    ? null
    : { adjustedClose, close, volume }
}

function* tableOf(tables: Tables, first: number, last: number): Steps<FeatureTable> {
  const features = makeMarketFeatures({ sectors: tables.panel?.sectors ?? [] })
  const table = makeFeatureTable(marketFeatureSchema, false)
  let sessions = 0
  for (let day = first; day <= last; day++) {
    const session = nyseSessionOn(day)
    if (session === undefined) continue
    if (sessions++ % sessionsPerStep === 0) yield
    table.add(
      features.push({
        asOf: session.closesAt,
        vix: valueOn(tables.vix, day),
        index: valueOn(tables.index, day),
        putCallRatio: valueOn(tables.putCall, day),
        panel: panelOn(tables.panel, day),
        // Files have no committee.
        outcomes: null
      })
    )
  }
  return table.finish()
}

/** At least one of the files. */
export const marketFeatureTable = (files: MarketFiles): Effect.Effect<FeatureTable, InputTableUnfit> =>
  Effect.gen(function* () {
    const tables: Tables = {
      vix: yield* readGiven(files.vix, "close"),
      index: yield* readGiven(files.index, "close"),
      putCall: yield* readGiven(files.putCall, "put_call_ratio"),
      panel: files.panel === undefined ? null : yield* readPanel(files.panel)
    }
    const all = tablesOf(tables)
    const { first, last } = yield* rangeOf(all)
    yield* checkSessions(all, first, last)
    return yield* stepwise(tableOf(tables, first, last))
  })
