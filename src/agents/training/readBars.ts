/**
 * The bars of a file as the commands take them: the instruments, the calendar, the time frame and the last as-ofs asked
 * for.
 */
import { Effect, Either } from "effect"
import { aggregateBars } from "../../market/aggregateBars.ts"
import type { BarSeries } from "../../market/BarSeries.ts"
import type { BarFileError, TimeFrameUnfit } from "../../market/errors.ts"
import type { NotASession } from "../../market/time/errors.ts"
import type { TimeFrame } from "../../protocols/TimeFrame.ts"
import type { FileUnreadable } from "../market-data/errors.ts"
import { readBarFile } from "../market-data/readBarFile.ts"
import type { Settings } from "../Settings.ts"

export interface Bars {
  readonly path: string
  /** SHA-256 of the file. */
  readonly digest: string
  readonly timeFrame: TimeFrame
  readonly instruments: ReadonlyArray<BarSeries>
}

const lastBars = (series: BarSeries, count: number): BarSeries => {
  const { close, closeOnly, high, low, open, openTime, volume } = series
  if (count === 0 || count >= close.length) return series
  const kept = close.slice(-count)
  return {
    ...series,
    openTime: openTime.slice(-count),
    close: kept,
    open: closeOnly ? kept : open.slice(-count),
    high: closeOnly ? kept : high.slice(-count),
    low: closeOnly ? kept : low.slice(-count),
    volume: volume?.slice(-count) ?? null
  }
}

/** @param timeFrame of the bars that are wanted; the file's own unless given */
export const readBars = (
  path: string,
  { marketData }: Settings,
  timeFrame?: TimeFrame
): Effect.Effect<Bars, BarFileError | FileUnreadable | NotASession | TimeFrameUnfit> =>
  Effect.gen(function* () {
    const { calendar, instrumentsMax, lastAsOfs, refusedShareMax, symbols } = marketData
    const file = yield* readBarFile({
      path,
      symbols,
      refusedShareMax,
      calendar,
      ...(instrumentsMax === 0 ? {} : { instrumentsMax })
    })
    const frame = timeFrame ?? file.timeFrame
    const instruments = yield* Either.all(file.series.map((series) => aggregateBars(series, frame)))
    return {
      path,
      digest: file.digest,
      timeFrame: frame,
      instruments: instruments.map((series) => lastBars(series, lastAsOfs))
    }
  })
