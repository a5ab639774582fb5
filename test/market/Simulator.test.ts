import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import * as fc from "fast-check"
import { instrumentNames, type SimulatorOptions, simulate } from "../../src/market/Simulator.ts"
import { type WorldName, worlds } from "../../src/market/worlds.ts"
import { Bar } from "../../src/protocols/Bar.ts"
import { Instrument } from "../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"

const start = Date.UTC(2024, 0, 1)
const hourly = TimeFrame.make("1h")

const simulation = (options: Partial<SimulatorOptions> = {}) =>
  Either.getOrThrow(
    simulate({
      world: worlds.market,
      seed: 7,
      instruments: 2,
      timeFrame: hourly,
      startTime: start,
      ...options
    })
  )

const barsOf = (
  count: number,
  options: Partial<SimulatorOptions> = {}
): ReadonlyArray<ReadonlyArray<Bar>> => {
  const { next } = simulation(options)
  return Array.from({ length: count }, next)
}

const seed = fc.integer({ min: 0, max: 1_000_000 })
const worldName = fc.constantFrom<WorldName>("market", "momentum", "efficient")
const few = { numRuns: 25 }

describe("the bars of a simulation", () => {
  it("are valid bars of its instruments, one each, back to back", () => {
    fc.assert(
      fc.property(seed, worldName, (seed, name) => {
        const { instruments, next } = simulation({ seed, world: worlds[name], instruments: 3 })
        const before = new Map<string, number>()
        for (let k = 0; k < 40; k++) {
          const bars = next()
          expect(bars.map((bar) => bar.instrument)).toEqual(instruments.map(({ id }) => id))
          for (const bar of bars) {
            expect(Schema.is(Bar)(bar)).toBe(true)
            expect(bar).toMatchObject({
              openTime: start + k * 3_600_000,
              closeTime: start + (k + 1) * 3_600_000,
              sequence: k,
              source: "simulator",
              closeOnly: false
            })
            expect(bar.low).toBeLessThanOrEqual(Math.min(bar.open, bar.close))
            expect(bar.high).toBeGreaterThanOrEqual(Math.max(bar.open, bar.close))
            expect(bar.volume).toBeGreaterThan(0)
            for (const price of [bar.open, bar.high, bar.low, bar.close]) {
              expect(price).toBe(Math.round(price * 100) / 100)
            }
            if (k > 0) expect(bar.open).toBe(before.get(bar.instrument))
            before.set(bar.instrument, bar.close)
          }
        }
      }),
      few
    )
  })

  it("reach beyond open and close inside the bar", () => {
    const bars = barsOf(200).flat()
    expect(bars.filter(({ open, high, close }) => high > Math.max(open, close)).length).toBeGreaterThan(240)
    expect(bars.filter(({ open, low, close }) => low < Math.min(open, close)).length).toBeGreaterThan(240)
  })

  it("are the same for the same seed and others for another", () => {
    expect(barsOf(50)).toEqual(barsOf(50))
    expect(barsOf(50, { seed: 8 })).not.toEqual(barsOf(50))
  })

  it("are the same however they were reached", () => {
    fc.assert(
      fc.property(seed, worldName, fc.array(fc.nat({ max: 12 }), { maxLength: 5 }), (seed, name, skips) => {
        const options = { seed, world: worlds[name] }
        const one = simulation(options)
        const jumping = simulation(options)
        for (const count of skips) {
          for (let i = 0; i < count; i++) one.next()
          jumping.skip(count)
          expect(jumping.position()).toBe(one.position())
          expect(jumping.next()).toEqual(one.next())
        }
      }),
      few
    )
  })

  it("do not change when there is an instrument more, or in another place", () => {
    fc.assert(
      fc.property(seed, worldName, (seed, name) => {
        const closes = (instruments: ReadonlyArray<string>) => {
          const rows = barsOf(20, { seed, world: worlds[name], instruments }).flat()
          return rows.filter((bar) => bar.instrument === "sim:BRAVO:spot")
        }
        expect(closes(["ALPHA", "BRAVO"])).toEqual(closes(["BRAVO"]))
        expect(closes(["BRAVO", "CHARLIE", "DELTA"])).toEqual(closes(["BRAVO"]))
      }),
      few
    )
  })

  it("do not depend on when the run starts, except for their times", () => {
    const strip = (rows: ReadonlyArray<ReadonlyArray<Bar>>) =>
      rows.flat().map(({ open, close }) => [open, close])
    expect(strip(barsOf(20, { startTime: 0 }))).toEqual(strip(barsOf(20)))
  })
})

describe("the instruments of a simulation", () => {
  it("have names that do not repeat", () => {
    expect(instrumentNames(3)).toEqual(["ALPHA", "BRAVO", "CHARLIE"])
    expect(instrumentNames(54).slice(25, 28)).toEqual(["ZULU", "ALPHA2", "BRAVO2"])
    expect(new Set(instrumentNames(500)).size).toBe(500)
  })

  it("are spot instruments of the venue `sim`", () => {
    const [alpha] = simulation().instruments
    expect(alpha).toEqual({
      id: "sim:ALPHA:spot",
      venue: "sim",
      symbol: "ALPHA",
      kind: "spot",
      tick: 0.01,
      lot: 0.0001,
      currency: "USD",
      calendar: "always"
    })
    expect(Schema.is(Instrument)(alpha)).toBe(true)
  })

  it("are refused with bad, repeated or too many names, or in an impossible world", () => {
    const tagOf = (options: Partial<SimulatorOptions>) => {
      const base = { world: worlds.market, seed: 7, instruments: 2, timeFrame: hourly, startTime: start }
      return Either.getOrThrow(Either.flip(simulate({ ...base, ...options })))._tag
    }
    expect(tagOf({ instruments: ["A B"] })).toBe("BadInstrumentName")
    expect(tagOf({ instruments: [""] })).toBe("BadInstrumentName")
    expect(tagOf({ instruments: ["A", "A"] })).toBe("DuplicateInstrument")
    expect(tagOf({ instruments: 5_000 })).toBe("TooManyInstruments")
    expect(tagOf({ world: { ...worlds.market, correlation: 2 } })).toBe("ImpossibleWorld")
  })
})
