import { describe, expect, it } from "@effect/vitest"
import { refusalLines } from "../../../src/agents/market-data/refusalLines.ts"

const refusal = (line: number) => ({ path: "a.csv", line, reason: "the low is above the open" })

describe("what a feed says of what it refused", () => {
  it("is nothing where nothing was refused", () => {
    expect(refusalLines({ refusals: [], rowsRefused: 0, strays: [] })).toEqual([])
  })

  it("is the first rows with their reasons, days without a session by file, and the number of the rest", () => {
    const strays = [{ path: "vix.csv", bars: 3, calendar: "nyse", first: Date.UTC(2001, 8, 12) } as const]
    const refusals = Array.from({ length: 8 }, (_, i) => refusal(i + 2))
    const lines = refusalLines({ refusals, rowsRefused: 33, strays })
    expect(lines).toHaveLength(7)
    expect(lines[0]).toBe(
      "vix.csv: 3 bars of days without a session of nyse are left out, the first of 2001-09-12"
    )
    expect(lines[1]).toBe("a.csv:2: refused: the low is above the open")
    expect(lines[6]).toBe("25 more rows were refused")
    const one = strays.map((stray) => ({ ...stray, bars: 1 }))
    expect(refusalLines({ refusals: [], rowsRefused: 1, strays: one })).toEqual([
      "vix.csv: the bar of 2001-09-12 is left out: nyse has no session on that day"
    ])
  })
})
