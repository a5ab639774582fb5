/** Bars whose numbers follow from their place. */
import type { Bar } from "../../../src/protocols/Bar.ts"
import { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { TimeFrame, toMs } from "../../../src/protocols/TimeFrame.ts"

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
export const hour = TimeFrame.make("1h")
export const day = TimeFrame.make("1d")
/** A Monday. */
export const midnight = Date.UTC(2024, 0, 1)
export const instrument = InstrumentId.make("test:X:spot")

export const at = (text: string): number => Date.parse(text)

/** The bar of a place: the k-th interval after midnight. */
export const barAt = (place: number, changed: Partial<Bar> = {}): Bar => {
  const timeFrame = changed.timeFrame ?? hour
  const openTime = changed.openTime ?? midnight + place * toMs(timeFrame)
  const price = 100 + ((((place * 37) % 17) + 17) % 17)
  const closeTime = openTime + toMs(timeFrame)
  return {
    ...{ instrument, timeFrame, openTime, closeTime },
    ...{ open: price, high: price + 5, low: price - 5, close: price + 1, volume: 1 + (place % 7) },
    ...{ closeOnly: false, source: "test", sequence: place, revision: 0, knownAt: closeTime },
    ...changed
  }
}
