/** Random bars of random contracts, and their schedule. */
import { Either } from "effect"
import fc from "fast-check"
import { type AsOfSchedule, makeAsOfSchedule } from "../../../src/market/AsOfSchedule.ts"
import type { BarSeries } from "../../../src/market/BarSeries.ts"
import type { Instrument, InstrumentKind } from "../../../src/protocols/Instrument.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { frameMs, instrumentOf, timeFrame } from "../execution/market.ts"

export interface SeriesShape {
  readonly instrument: Instrument
  readonly bars: number
  readonly seed: number
  /** Chance of a bar in which nobody trades, and of a bar that is missing. */
  readonly silent: number
  readonly missing: number
  readonly closeOnly: boolean
}

/** A random walk with gaps between a close and the next open. */
export const seriesOf = ({ bars, closeOnly, instrument, missing, seed, silent }: SeriesShape): BarSeries => {
  const random = keyedRandom("backtest series", seed)
  const rows = { openTime: [], open: [], high: [], low: [], close: [], volume: [] } as Record<
    "openTime" | "open" | "high" | "low" | "close" | "volume",
    Array<number>
  >
  let price = 50 + 100 * random.next()
  for (let i = 0; rows.close.length < bars; i++) {
    if (random.next() < missing) continue
    const open = Math.max(price * (1 + 0.01 * random.normal()), 1)
    const close = Math.max(open * (1 + 0.02 * random.normal()), 1)
    rows.openTime.push(i * frameMs)
    rows.open.push(open)
    rows.close.push(close)
    rows.high.push(Math.max(open, close) * (1 + 0.01 * random.next()))
    rows.low.push(Math.min(open, close) * (1 - 0.01 * random.next()))
    rows.volume.push(random.next() < silent ? 0 : 1_000 * random.next())
    price = close
  }
  const close = Float64Array.from(rows.close)
  return {
    instrument,
    timeFrame,
    openTime: Float64Array.from(rows.openTime),
    open: closeOnly ? close : Float64Array.from(rows.open),
    high: closeOnly ? close : Float64Array.from(rows.high),
    low: closeOnly ? close : Float64Array.from(rows.low),
    close,
    volume: closeOnly ? null : Float64Array.from(rows.volume),
    closeOnly,
    gaps: 0,
    barsMissing: 0
  }
}

const contracts = [
  { tick: 0.01, lot: 1e-4 },
  { tick: 1e-6, lot: 1e-6 },
  { tick: 0.000_3, lot: 0.7 },
  { tick: 0.25, lot: 1 },
  { tick: 7, lot: 0.003 }
]
const kinds: ReadonlyArray<InstrumentKind> = ["spot", "perp", "equity", "future"]

export const anyShape: fc.Arbitrary<SeriesShape> = fc.record({
  instrument: fc
    .tuple(fc.constantFrom(...contracts), fc.constantFrom(...kinds))
    .map(([contract, kind]) => instrumentOf("ANY", contract, kind)),
  bars: fc.integer({ min: 1, max: 150 }),
  seed: fc.nat(),
  silent: fc.constantFrom(0, 0.3),
  missing: fc.constantFrom(0, 0.2),
  closeOnly: fc.boolean()
})

export const scheduleOf = (...series: readonly [BarSeries, ...ReadonlyArray<BarSeries>]): AsOfSchedule =>
  Either.getOrThrow(makeAsOfSchedule(series))

export const drain = <A>(steps: Generator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
