import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { emptyMarket, type MarketSeries, observe } from "../../../src/market/streams/MarketSeries.ts"
import {
  fitBarsMin,
  type RegimeModel,
  type RegimeOptions,
  regimeAt,
  regimeModel
} from "../../../src/market/streams/regime.ts"
import { RegimeReading } from "../../../src/protocols/Streams.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { asOfAt } from "./bars.ts"
import { drained } from "./series.ts"

const options: RegimeOptions = { states: 2, fitBars: 300, refitEveryBars: 100, seed: 7 }

/** Long stretches of small moves and of moves five times as large, of three instruments. */
const switching = (count: number) => {
  const random = keyedRandom("switching")
  const market = emptyMarket()
  const isWild: Array<boolean> = []
  for (let i = 0; i < count; i++) {
    const wild = Math.floor(i / 60) % 2 === 1
    isWild.push(wild)
    const common = random.normal()
    observe(
      market,
      asOfAt(i),
      Array.from({ length: 3 }, () => (wild ? 0.025 : 0.005) * (0.7 * common + 0.7 * random.normal()))
    )
  }
  return { market, isWild }
}
const { isWild, market } = switching(700)

/** The market as it was after so many as-ofs. */
const cutAt = (whole: MarketSeries, count: number): MarketSeries => ({
  asOfs: whole.asOfs.slice(0, count),
  returns: whole.returns.slice(0, count),
  logVolatilities: whole.logVolatilities.slice(0, count),
  count,
  variance: 0
})
const models = new Map<string, RegimeModel | undefined>()
const read = (series: MarketSeries, count: number, name: string) => {
  const asOf = asOfAt(count - 1)
  const key = `${name}/${Math.floor(count / options.refitEveryBars)}`
  if (!models.has(key)) models.set(key, drained(regimeModel(series, options, asOf, undefined)))
  return regimeAt(series, options, asOf, models.get(key))
}

describe("the regime", () => {
  it("is told from volatility, a few bars after it has changed", () => {
    let right = 0
    let asked = 0
    for (let count = 301; count <= 700; count++) {
      // The volatility needs a few bars to follow.
      if ((count - 1) % 60 < 15) continue
      const reading = read(market, count, "whole")
      expect(Schema.is(RegimeReading)(reading)).toBe(true)
      if (reading.status === "unavailable") continue
      asked++
      if ((reading.regime === "turbulent") === isWild[count - 1]) right++
    }
    expect(asked).toBeGreaterThan(250)
    expect(right / asked).toBeGreaterThan(0.95)
  })

  it("has states in the order of their volatility, whose probabilities sum to one", () => {
    const reading = read(market, 650, "whole")
    expect(reading).toMatchObject({ status: "available", fittedBars: 300, fittedAsOf: asOfAt(599) })
    if (reading.status === "unavailable") return
    expect(reading.states.map(({ name }) => name)).toEqual(["calm", "turbulent"])
    const [calm, turbulent] = reading.states
    expect(turbulent?.volatility).toBeGreaterThan(3 * (calm?.volatility ?? Number.NaN))
    expect(reading.states.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9)
    expect(reading.states.reduce((sum, { nextProbability }) => sum + nextProbability, 0)).toBeCloseTo(1, 9)
    expect(calm?.expectedBars).toBeGreaterThan(15)
  })

  it("of a history that was cut off is that of the whole: no later bar changes it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), (count) => {
        expect(read(market, count, "whole")).toEqual(read(cutAt(market, count), count, "cut"))
      }),
      { numRuns: 60 }
    )
  })

  it("is read by the model of its own stretch, which is kept as long as it is the right one", () => {
    const first = drained(regimeModel(market, options, asOfAt(449), undefined))
    expect(first?.through).toBe(400)
    expect(drained(regimeModel(market, options, asOfAt(498), first))).toBe(first)
    const next = drained(regimeModel(market, options, asOfAt(499), first))
    expect(next?.through).toBe(500)
    expect(() => regimeAt(market, options, asOfAt(499), first)).toThrow(RangeError)
    // What was let go since changes nothing.
    const kept = { ...market, ...cutFront(market, 250) }
    expect(drained(regimeModel(kept, options, asOfAt(699), undefined))).toEqual(
      drained(regimeModel(market, options, asOfAt(699), undefined))
    )
  })

  it("is unavailable before the first model", () => {
    expect(regimeAt(market, options, asOfAt(fitBarsMin - 2), undefined)).toMatchObject({
      status: "unavailable"
    })
    expect(drained(regimeModel(market, options, asOfAt(fitBarsMin - 2), undefined))).toBeUndefined()
    expect(read(market, fitBarsMin, "whole")).toMatchObject({ status: "available" })
  })

  it("has names for two to four states", () => {
    for (const states of [2, 3, 4] as const) {
      const model = drained(regimeModel(market, { ...options, states }, asOfAt(299), undefined))
      const reading = regimeAt(market, { ...options, states }, asOfAt(299), model)
      expect(reading).toMatchObject({ status: "available" })
      if (reading.status === "available") expect(reading.states).toHaveLength(states)
    }
    const model = drained(regimeModel(market, { ...options, states: 5 }, asOfAt(299), undefined))
    expect(() => regimeAt(market, { ...options, states: 5 }, asOfAt(299), model)).toThrow(RangeError)
  })

  it("stays within its bounds where nothing moves", () => {
    const still = emptyMarket()
    for (let i = 0; i < 300; i++) observe(still, asOfAt(i), [0])
    const model = drained(regimeModel(still, options, asOfAt(299), undefined))
    expect(Schema.is(RegimeReading)(regimeAt(still, options, asOfAt(299), model))).toBe(true)
  })

  it("refuses to be fitted on more than is kept", () => {
    expect(() =>
      drained(regimeModel(market, { ...options, fitBars: 5_000 }, asOfAt(600), undefined))
    ).toThrow(RangeError)
  })
})

function cutFront(whole: MarketSeries, gone: number) {
  return {
    asOfs: whole.asOfs.slice(gone),
    returns: whole.returns.slice(gone),
    logVolatilities: whole.logVolatilities.slice(gone)
  }
}
