/** Courses and actions to test the environment with. */
import { Either } from "effect"
import * as fc from "fast-check"
import type { Costs } from "../../../src/market/Costs.ts"
import { type Course, type CourseParts, prepareCourse } from "../../../src/market/environment/Course.ts"
import {
  makeTradingEnvironments,
  type TradingEnvironments,
  type TradingOptions
} from "../../../src/market/environment/TradingEnvironments.ts"

export const free: Costs = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }
export const costly: Costs = { feeBps: 4, halfSpreadBps: 1, slippageBps: 2 }
export const cents = { kind: "spot", tick: 0.01, lot: 0.000_1 } as const
export const barMs = 3_600_000

export interface Path {
  readonly open: ReadonlyArray<number>
  readonly close: ReadonlyArray<number>
  readonly volume: ReadonlyArray<number> | null
  readonly closeOnly: boolean
}

/** A course whose one feature is the bar's index over ten, which tells rows apart. */
export const partsOf = (path: Path, rest: Partial<CourseParts> = {}): CourseParts => ({
  bars: {
    openTime: Float64Array.from(path.close, (_, bar) => bar * barMs),
    open: Float64Array.from(path.open),
    close: Float64Array.from(path.close),
    volume: path.volume === null ? null : Float64Array.from(path.volume),
    closeOnly: path.closeOnly
  },
  features: { names: ["index"], values: Float32Array.from(path.close, (_, i) => (i % 100) / 10), first: 0 },
  instrument: cents,
  costs: costly,
  ...rest
})

export const courseOf = (path: Path, rest: Partial<CourseParts> = {}): Course =>
  Either.getOrThrow(prepareCourse(partsOf(path, rest)))

/** Bars that open where the one before closed, at these prices. */
export const steady = (prices: ReadonlyArray<number>): Path => ({
  open: prices.map((price, i) => prices[i - 1] ?? price),
  close: prices,
  volume: null,
  closeOnly: false
})

export const usual: TradingOptions = {
  environments: 1,
  actions: { kind: "discrete", shorting: true },
  reward: { kind: "log-wealth" },
  rewardScale: 1,
  cash: 10_000,
  ruinShare: 0.1,
  episodeSteps: null,
  starts: "first",
  key: ["test"]
}

export const environmentOf = (
  courses: ReadonlyArray<Course>,
  options: Partial<TradingOptions> = {}
): TradingEnvironments => Either.getOrThrow(makeTradingEnvironments(courses, { ...usual, ...options }))

const ratio = fc.double({ min: 0.8, max: 1.25, noNaN: true })

/** Prices that gap between bars, volumes that are sometimes nothing, and close-only series. */
export const path: fc.Arbitrary<Path> = fc
  .record({
    start: fc.double({ min: 0.5, max: 50_000, noNaN: true }),
    moves: fc.array(fc.record({ gap: ratio, move: ratio, traded: fc.integer({ min: 0, max: 5 }) }), {
      minLength: 2,
      maxLength: 40
    }),
    closeOnly: fc.boolean(),
    hasVolume: fc.boolean()
  })
  .map(({ closeOnly, hasVolume, moves, start }) => {
    let price = start
    const open: Array<number> = []
    const close: Array<number> = []
    for (const { gap, move } of moves) {
      price *= gap
      open.push(price)
      price *= move
      close.push(price)
    }
    const volume = hasVolume && !closeOnly ? moves.map(({ traded }) => traded) : null
    return { open: closeOnly ? close : open, close, volume, closeOnly }
  })

const bps = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100)
export const costs: fc.Arbitrary<Costs> = fc.record({ feeBps: bps, halfSpreadBps: bps, slippageBps: bps })

/** With funding and borrowing. */
export const holdingCosts: fc.Arbitrary<Costs> = fc.record({
  feeBps: bps,
  halfSpreadBps: bps,
  slippageBps: bps,
  fundingBps: fc.integer({ min: -500, max: 500 }).map((tenths) => tenths / 10),
  fundingEveryHours: fc.constantFrom(1, 3, 8),
  borrowBpsPerYear: fc.integer({ min: 0, max: 100_000 })
})

/** Some with steps that no decimal system likes. */
export const instrument: fc.Arbitrary<CourseParts["instrument"]> = fc.record({
  kind: fc.constantFrom("spot", "perp", "future", "equity"),
  tick: fc.constantFrom(0.01, 0.25, 0.000_5, 0.03, 1, 0.000_01),
  lot: fc.constantFrom(0.000_1, 1, 0.001, 0.07, 0.000_001)
})

/** Three numbers of a discrete action, for as long as any path. */
export const sides = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 40, maxLength: 40 })
export const exposures = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
  minLength: 40,
  maxLength: 40
})
