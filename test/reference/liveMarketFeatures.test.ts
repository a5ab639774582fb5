/**
 * The features of the market as a running system makes them, session by session of bars, over the panel in `equities`: the
 * nine of every file of market features of the reference data to 1e-7 of their value. The reference takes its returns from
 * adjusted closes and its dollar volumes from plain ones, so the panel is followed twice.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { featureSources } from "../../src/agents/streams/featureSources.ts"
import { type PanelDay, takeSessionBar } from "../../src/market/features/SessionPanel.ts"
import { emptySkill } from "../../src/market/features/SignalQuality.ts"
import { marketFeaturesAt } from "../../src/market/streams/marketFeatures.ts"
import { dayMs, dayOf } from "../../src/market/time/Calendar.ts"
import { nyseSessionOn } from "../../src/market/time/NyseSessions.ts"
import { settingsWith } from "../agents/settings.ts"
import { instrumentOf } from "../market/streams/bars.ts"
import { drained } from "../market/streams/series.ts"
import { filesIn, root } from "./referenceFiles.ts"
import { readTable } from "./talibFiles.ts"

const relativeErrorMax = 1e-7
const tables = filesIn("features")
  .map(readTable)
  .filter(({ header }) => header.includes("vix_level"))
const equities = filesIn("equities")
const paths = [
  /\/vix_/,
  /\/sp500_/,
  /put_call/,
  /\/panel_sectors/,
  /\/panel_adj_close/,
  /\/panel_close/,
  /\/panel_volume/
].flatMap((what) => equities.find((path) => what.test(path)) ?? [])
const isThere = tables.length > 0 && paths.length === 7
const ofVolumes = new Set(["volume_ratio", "gini_coefficient"])

describe.skipIf(!isThere)(
  isThere
    ? "market features of a running system"
    : `market features of a running system (skipped: no features/*.csv with vix_level, or not all of its sources, in ${root})`,
  () => {
    it.live("are those of the reference files", () =>
      Effect.gen(function* () {
        const [vix, index, putCall, sectors, adjusted, close, volume] = paths as [
          ...[string, string, string, string],
          ...[string, string, string]
        ]
        const outside = yield* featureSources(
          settingsWith({
            "streams.vixSource": vix,
            "streams.indexSource": index,
            "streams.putCallSource": putCall,
            "streams.sectorsSource": sectors
          }).streams
        ).read(true)
        const [adjustedCloses, closes, volumes] = [readTable(adjusted), readTable(close), readTable(volume)]
        const tickers = closes.header.filter((name) => name !== "date")
        const columns = (table: typeof closes) => tickers.map((ticker) => table.numbers(ticker))
        const [byAdjusted, byClose, traded] = [columns(adjustedCloses), columns(closes), columns(volumes)]
        const instruments = tickers.map((ticker) => instrumentOf(ticker, "nyse"))
        const calendars = instruments.map(({ calendar }) => calendar)
        const panels = { adjusted: [] as Array<PanelDay>, plain: [] as Array<PanelDay> }
        const about = { ...outside, instruments, barsSource: "bars", frameMs: dayMs, skill: emptySkill() }
        const expectedOn = new Map(
          tables.flatMap((table) => table.column("date").map((date, row) => [date, { table, row }] as const))
        )
        let compared = 0
        for (const [row, date] of closes.column("date").entries()) {
          const openTime = Date.parse(date)
          const barsAsOf = nyseSessionOn(dayOf(openTime))?.closesAt ?? Number.NaN
          for (const [place] of tickers.entries()) {
            const shares = traded[place]?.[row] as number
            const plain = { openTime, close: byClose[place]?.[row] as number, volume: shares }
            takeSessionBar(panels.plain, calendars, place, plain)
            const adjustedClose = byAdjusted[place]?.[row] as number
            takeSessionBar(panels.adjusted, calendars, place, { ...plain, close: adjustedClose })
          }
          const expected = expectedOn.get(date)
          if (expected === undefined) continue
          for (const [days, isWanted] of [
            [panels.plain, (name: string) => ofVolumes.has(name)],
            [panels.adjusted, (name: string) => !ofVolumes.has(name) && name !== "signal_quality"]
          ] as const) {
            const reading = drained(marketFeaturesAt({ ...about, days, barsAsOf }, barsAsOf))
            if (reading.status === "unavailable") throw new Error(reading.reason)
            for (const feature of reading.features.filter(({ name }) => isWanted(name))) {
              const value = feature.status === "available" ? feature.value : feature.reason
              const wanted = Number(expected.table.column(feature.name)[expected.row])
              const isClose = Math.abs(Number(value) - wanted) <= relativeErrorMax * Math.abs(wanted)
              if (!isClose) expect([feature.name, date, value]).toEqual([feature.name, date, wanted])
              compared++
            }
          }
        }
        expect(compared).toBeGreaterThan(8_000)
      })
    )
  }
)
