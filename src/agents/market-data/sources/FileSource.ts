/** History from bar files: read whole, once, when the source is opened. */
import { Chunk, Effect, Option, Stream } from "effect"
import { type BarSeries, barAt } from "../../../market/BarSeries.ts"
import type { Bar } from "../../../protocols/Bar.ts"
import { breathe } from "../../../runtime/breathe.ts"
import type { CalendarChoice } from "../../settings/MarketDataSettings.ts"
import type { BarSource, HistoryRequest } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import { readBarFile } from "../readBarFile.ts"
import { sourceFailed } from "./failure.ts"
import { type FileSettings, normalUnits } from "./SourceSettings.ts"

/** Bars that are made in one go. */
const pageBars = 1_000

/** Position of the first bar that opens at a time or later. */
const positionOf = ({ openTime }: BarSeries, time: number): number => {
  let low = 0
  let high = openTime.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((openTime[middle] as number) < time) low = middle + 1
    else high = middle
  }
  return low
}

/** @param calendar of their instruments, as for a run from files */
export const openFiles = (
  settings: FileSettings,
  calendar: CalendarChoice
): Effect.Effect<BarSource, SourceFailed> =>
  Effect.gen(function* () {
    const { files, name, refusedShareMax, symbols } = settings
    let rowsRefused = 0
    const refused = (reason: string) => sourceFailed(name, "refused", reason)
    const series = new Map<string, BarSeries>()
    for (const { instrument, path } of files) {
      const named = instrument === undefined ? {} : { instrument }
      const options = { path, ...named, symbols, refusedShareMax, calendar }
      const read = yield* Effect.mapError(readBarFile(options), ({ message }) => refused(message))
      rowsRefused += read.refused
      for (const one of read.series) {
        const key = `${one.instrument.id} ${one.timeFrame}`
        if (series.has(key)) return yield* refused(`${key} stands in more than one file`)
        series.set(key, one)
      }
    }
    const history = ({ from, instrument, timeFrame, to }: HistoryRequest) => {
      const one = series.get(`${instrument.id} ${timeFrame}`)
      if (one === undefined)
        return Stream.fail(refused(`its files hold no bars of ${instrument.id} ${timeFrame}`))
      const end = positionOf(one, to)
      return Stream.paginateChunkEffect(positionOf(one, from), (at) => {
        const count = Math.max(0, Math.min(pageBars, end - at))
        const bars = Array.from({ length: count }, (_, i): Bar => barAt(one, at + i, name))
        const next = at + count < end ? Option.some(at + count) : Option.none()
        return Effect.as(breathe, [Chunk.unsafeFromArray(bars), next] as const)
      })
    }
    return {
      name,
      kind: "file",
      units: normalUnits,
      instruments: Effect.succeed([
        ...new Map([...series.values()].map(({ instrument }) => [instrument.id, instrument])).values()
      ]),
      history,
      live: null,
      refused: () => rowsRefused
    }
  })
