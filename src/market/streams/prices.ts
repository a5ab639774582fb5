/** The price stream: the latest closed bar of each instrument. */
import { type PricesReading, unavailable } from "../../protocols/Streams.ts"
import { type FollowedInstrument, visibleBars } from "./RecentBars.ts"

export const pricesDefinition = 1

export const pricesAt = (followed: ReadonlyArray<FollowedInstrument>, asOf: number): PricesReading => {
  const prices = followed.flatMap(({ bars, instrument }) => {
    const bar = visibleBars(bars, asOf, 1)[0]
    if (bar === undefined) return []
    const { close, closeTime, knownAt, openTime, revision, sequence, source } = bar
    return [
      {
        instrument: instrument.id,
        price: close,
        openTime,
        closeTime,
        source,
        barSequence: sequence,
        revision,
        knownAt,
        ageMs: asOf - closeTime
      }
    ]
  })
  return prices.length === 0 ? unavailable("no bar has closed yet") : { status: "available", prices }
}
