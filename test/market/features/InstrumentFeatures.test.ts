import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  instrumentFeatureSchema,
  makeInstrumentFeatures
} from "../../../src/market/features/InstrumentFeatures.ts"
import type { Bar } from "../../../src/protocols/Bar.ts"
import { InstrumentId } from "../../../src/protocols/Instrument.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { barAt, hourMs, midnight } from "../time/bars.ts"
import { named } from "./vectors.ts"

interface AsOf {
  readonly asOf: number
  readonly bars: ReadonlyArray<Bar>
}

const instruments = ["A", "B", "C"].map((name) => InstrumentId.make(`test:${name}:spot`))

/** Hourly bars of walks; who is absent, without volume or without movement is told by place. */
const walk = (
  seed: number,
  count: number,
  {
    absent = () => false,
    change = () => ({})
  }: {
    readonly absent?: (asOf: number, instrument: number) => boolean
    readonly change?: (asOf: number, instrument: number) => Partial<Bar>
  } = {}
): ReadonlyArray<AsOf> => {
  const random = keyedRandom("instrument features", seed)
  const prices = instruments.map(() => 100)
  return Array.from({ length: count }, (_, i) => {
    const bars = instruments.map((instrument, k) => {
      const open = prices[k] as number
      const close = open * Math.exp(0.01 * random.normal())
      prices[k] = close
      const prices4 = { open, close, high: Math.max(open, close) * 1.01, low: Math.min(open, close) * 0.99 }
      return barAt(i, { instrument, ...prices4, volume: 1 + random.int(100), ...change(i, k) })
    })
    return { asOf: midnight + (i + 1) * hourMs, bars: bars.filter((_, k) => !absent(i, k)) }
  })
}

const run = (history: ReadonlyArray<AsOf>) => {
  const features = makeInstrumentFeatures(instruments)
  return history.map(({ asOf, bars }) => features.push(asOf, bars))
}

const lastOf = (history: ReadonlyArray<AsOf>, instrument = 0) =>
  named(instrumentFeatureSchema, run(history).at(-1)?.[instrument])

const history = walk(1, 80)
const closesOf = (instrument: number) => history.map(({ bars }) => bars[instrument]?.close as number)

describe("the features of instruments that are followed together", () => {
  it("are exactly ten", () => {
    expect(new Set(instrumentFeatureSchema.names).size).toBe(10)
  })

  it("are what their definitions say", () => {
    const closes = closesOf(0)
    const returns = closes.slice(1).map((close, i) => Math.log(close / (closes[i] as number)))
    const bar = history.at(-1)?.bars[0] as Bar
    const volumes = history.slice(-24).map(({ bars }) => bars[0]?.volume as number)
    const volatility = Math.sqrt(returns.slice(-24).reduce((sum, one) => sum + one * one, 0) / 24)
    const sumOf = (all: ReadonlyArray<number>) => all.reduce((sum, one) => sum + one, 0)
    const rose = [0, 1, 2].filter(
      (k) => (closesOf(k).at(-1) as number) > (closesOf(k).at(-2) as number)
    ).length
    const found = lastOf(history)
    const expected = {
      ret_1: returns.at(-1) as number,
      ret_24: sumOf(returns.slice(-24)),
      volatility_24: volatility,
      range: (bar.high - bar.low) / bar.close,
      volume_ratio_24: (bar.volume as number) / (sumOf(volumes) / 24),
      momentum_12: sumOf(returns.slice(-12)) / (volatility * Math.sqrt(12)),
      breadth: rose / 3
    }
    for (const [name, value] of Object.entries(expected))
      expect([name, found[name]]).toEqual([name, expect.closeTo(value, 12)])
  })

  it("of a truncated history are those of the whole one, whoever is absent", () => {
    const absences = fc.array(fc.tuple(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 2 })), {
      maxLength: 40
    })
    fc.assert(
      fc.property(absences, fc.integer({ min: 1, max: 60 }), fc.integer(), (pairs, kept, seed) => {
        const absent = new Set(pairs.map(([asOf, instrument]) => `${asOf}/${instrument}`))
        const all = walk(seed, 60, { absent: (asOf, instrument) => absent.has(`${asOf}/${instrument}`) })
        expect(run(all.slice(0, kept))).toEqual(run(all).slice(0, kept))
      }),
      { numRuns: 40 }
    )
  })

  it("need no more than 25 as-ofs, wherever they begin", () => {
    const whole = run(history)
    expect(run(history.slice(-25)).at(-1)).toEqual(whole.at(-1))
    expect(run(history.slice(-24)).at(-1)).not.toEqual(whole.at(-1))
  })

  it("tell the time by the end of the bar", () => {
    const phases = run(walk(2, 24 * 7)).map((vectors) => named(instrumentFeatureSchema, vectors[0]))
    // The first bar ends at one o'clock on Monday.
    expect(phases[15]?.day_phase).toBeCloseTo(1, 12)
    expect(phases[3]?.day_phase).toBeCloseTo(-1, 12)
    expect(phases[2 * 24 + 11]?.week_phase).toBeCloseTo(1, 12)
    expect(phases[6 * 24 - 1]?.week_phase).toBeCloseTo(-1, 12)
  })

  it("of one that was absent for a while go on with its own bars, and it takes part again after a whole window", () => {
    const away = walk(3, 80, { absent: (asOf, instrument) => instrument > 0 && asOf >= 40 && asOf < 50 })
    const vectors = run(away)
    const present = away.map(({ bars }) => bars.map(({ instrument }) => instrument))
    const valueAt = (asOf: number, instrument: number, name: string) => {
      const place = (present[asOf] as ReadonlyArray<InstrumentId>).indexOf(
        instruments[instrument] as InstrumentId
      )
      return named(instrumentFeatureSchema, vectors[asOf]?.[place])[name]
    }
    expect(vectors[45]).toHaveLength(1)
    const closeAt = (asOf: number) =>
      away[asOf]?.bars.find(({ instrument }) => instrument === instruments[1])?.close as number
    expect(valueAt(50, 1, "ret_1")).toBeCloseTo(Math.log(closeAt(50) / closeAt(39)), 12)
    expect([39, 40, 73, 74].map((asOf) => typeof valueAt(asOf, 0, "correlation_24"))).toEqual([
      "number",
      "string",
      "string",
      "number"
    ])
    // At 50 only the first has a return from the as-of before.
    expect([0, 1]).toContain(valueAt(50, 0, "breadth"))
  })

  it("are no NaN where nothing moves, nothing is traded or there is no volume", () => {
    const still = { open: 100, high: 100, low: 100, close: 100 }
    const stood = walk(4, 40, { change: () => ({ ...still, volume: 0 }) })
    expect(lastOf(stood)).toMatchObject({
      ret_1: 0,
      ret_24: 0,
      volatility_24: 0,
      range: 0,
      volume_ratio_24: "undefined",
      momentum_12: 0,
      breadth: 0.5,
      correlation_24: "undefined"
    })
    expect(lastOf(walk(4, 40, { change: () => ({ volume: null }) })).volume_ratio_24).toBe("no-source")
    expect(lastOf(walk(4, 40, { change: () => ({ closeOnly: true }) })).range).toBe("no-source")
    const numbers = run(stood).flatMap((vectors) => vectors.flatMap(({ values }) => values))
    expect(numbers.some((value) => typeof value === "number" && !Number.isFinite(value))).toBe(false)
  })

  it("refuse what is out of order, not followed, given twice or of after the as-of, and take nothing of it", () => {
    const features = makeInstrumentFeatures(instruments)
    const other = makeInstrumentFeatures(instruments)
    for (const { asOf, bars } of history.slice(0, 30)) {
      features.push(asOf, bars)
      other.push(asOf, bars)
    }
    const { asOf, bars } = history[30] as AsOf
    const [first] = bars as [Bar]
    const stranger = { ...first, instrument: InstrumentId.make("test:Z:spot") }
    expect(() => features.push(history[29]?.asOf as number, [])).toThrow("in order, each once")
    expect(() => features.push(asOf, [...bars, stranger])).toThrow("not followed")
    expect(() => features.push(asOf, [...bars, first])).toThrow("two bars")
    expect(() => features.push(asOf, [{ ...first, knownAt: asOf + 1 }])).toThrow("keep it until then")
    expect(features.push(asOf, bars)).toEqual(other.push(asOf, bars))
  })
})
