import { describe, expect, it } from "@effect/vitest"
import { chargeFor, dividendOf, type Holding, isCharged } from "../../../src/market/execution/holding.ts"
import type { InstrumentKind } from "../../../src/protocols/Instrument.ts"
import { alpha, free, perTickLotOf, terms } from "./market.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs

const holding = (kind: InstrumentKind, lots: number, mark: number | null = 100): Holding => ({
  instrument: "x",
  kind,
  lots,
  perTickLot: perTickLotOf(alpha),
  mark
})
const funded = (fundingBps: number, fundingEveryHours = 8) =>
  terms({ costs: { ...free, fundingBps, fundingEveryHours } })
const borrowed = (borrowBpsPerYear: number) => terms({ costs: { ...free, borrowBpsPerYear } })
const costOf = (one: Holding, from: number, to: number, by: ReturnType<typeof terms>) =>
  chargeFor(one, from, to, by)?.micro ?? 0

describe("funding", () => {
  it("goes from longs to shorts at each instant in the span, and back where the rate is negative", () => {
    const rate = funded(1)
    expect(costOf(holding("perp", 10), 0, 8 * hourMs, rate)).toBe(100_000)
    expect(costOf(holding("perp", -10), 0, 8 * hourMs, rate)).toBe(-100_000)
    expect(costOf(holding("perp", 10), 0, dayMs, rate)).toBe(300_000)
    expect(costOf(holding("perp", 10), 0, 8 * hourMs, funded(-1))).toBe(-100_000)
    expect(costOf(holding("perp", -10), 0, 8 * hourMs, funded(-1))).toBe(100_000)
  })

  it("is due at the end of a span and not at its beginning: each instant counts once", () => {
    const rate = funded(1)
    expect(costOf(holding("perp", 10), 8 * hourMs, 16 * hourMs - 1, rate)).toBe(0)
    expect(costOf(holding("perp", 10), 8 * hourMs - 1, 8 * hourMs, rate)).toBe(100_000)
    expect(costOf(holding("perp", 10), 0, hourMs, funded(1, 1))).toBe(100_000)
  })

  it("is rounded against the account", () => {
    const tiny = { ...holding("perp", 1, 1), perTickLot: { numerator: 3, denominator: 1 } }
    expect(costOf(tiny, 0, 8 * hourMs, funded(1))).toBe(1)
    expect(costOf({ ...tiny, lots: -1 }, 0, 8 * hourMs, funded(1))).toBe(0)
  })

  it("is of perpetuals alone", () => {
    for (const kind of ["spot", "equity", "future", "fx"] as const)
      expect(costOf(holding(kind, 10), 0, dayMs, funded(1))).toBe(0)
  })
})

describe("borrowing", () => {
  it("costs a short position the year's rate for the time, rounded up", () => {
    const year = 365 * dayMs
    expect(costOf(holding("equity", -10), 0, year, borrowed(365))).toBe(36_500_000)
    expect(costOf(holding("spot", -10), 0, dayMs, borrowed(365))).toBe(100_000)
    expect(costOf(holding("equity", -10), 0, 1, borrowed(365))).toBe(1)
  })

  it("is for what is sold short, and not where nothing is delivered", () => {
    expect(costOf(holding("equity", 10), 0, dayMs, borrowed(365))).toBe(0)
    expect(costOf(holding("perp", -10), 0, dayMs, borrowed(365))).toBe(0)
    expect(costOf(holding("future", -10), 0, dayMs, borrowed(365))).toBe(0)
  })
})

describe("a charge", () => {
  it("needs a position, a mark and time", () => {
    const rate = funded(1)
    expect(chargeFor(holding("perp", 0), 0, dayMs, rate)).toBeUndefined()
    expect(chargeFor(holding("perp", 1, null), 0, dayMs, rate)).toBeUndefined()
    expect(chargeFor(holding("perp", 1), dayMs, dayMs, rate)).toBeUndefined()
    expect(chargeFor(holding("perp", 1), dayMs, 0, rate)).toBeUndefined()
    expect(isCharged(terms())).toBe(false)
    expect(isCharged(rate)).toBe(true)
  })

  it("for a dividend is received by who is long and paid by who is short", () => {
    const contract = { lot: 0.5 }
    expect(dividendOf({ instrument: "x", lots: 3 }, contract, 0.1)).toEqual({
      instrument: "x",
      kind: "dividend",
      micro: -150_000
    })
    expect(dividendOf({ instrument: "x", lots: -3 }, contract, 0.1)?.micro).toBe(150_000)
    expect(dividendOf({ instrument: "x", lots: 0 }, contract, 0.1)).toBeUndefined()
  })

  it("for a dividend is counted with every digit of an adjusted amount, and rounded as a whole", () => {
    const perUnit = 0.123_456_789_012_345
    const held = (lots: number, lot: number) => dividendOf({ instrument: "x", lots }, { lot }, perUnit)?.micro
    expect(held(1_234_567_890, 1)).toBe(-152_415_787_517_145)
    expect(held(-1_234_567_890, 1)).toBe(152_415_787_517_146)
    expect(held(3, 1e-8)).toBeUndefined()
    expect(held(-3, 1e-8)).toBe(1)
    expect(dividendOf({ instrument: "x", lots: -1 }, { lot: 1 }, 1e-300)?.micro).toBe(1)
  })
})
