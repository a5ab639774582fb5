import { describe, expect, it } from "@effect/vitest"
import { barsPerYear } from "../../../src/market/performance/Annualisation.ts"
import type { Calendar } from "../../../src/protocols/Instrument.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"

const of = (timeFrame: string, calendar: Calendar) => barsPerYear(TimeFrame.make(timeFrame), calendar)

describe("barsPerYear", () => {
  it("counts 365 days where trading never stops", () => {
    expect(of("1h", "always")).toBe(8_760)
    expect(of("1m", "always")).toBe(525_600)
    expect(of("1d", "always")).toBe(365)
    expect(of("2d", "always")).toBe(182.5)
  })

  it("counts 252 sessions elsewhere, around the clock or as long as New York trades", () => {
    expect(of("1d", "weekdays")).toBe(252)
    expect(of("1d", "nyse")).toBe(252)
    expect(of("1h", "weekdays")).toBe(252 * 24)
    expect(of("30m", "nyse")).toBe(252 * 13)
    expect(of("1h", "nyse")).toBe(252 * 7)
    expect(of("12h", "nyse")).toBe(252)
  })

  it("counts weeks everywhere", () => {
    for (const calendar of ["always", "weekdays", "nyse"] as const) {
      expect(of("1w", calendar)).toBeCloseTo(365 / 7, 12)
      expect(of("7d", calendar)).toBeCloseTo(365 / 7, 12)
    }
  })
})
