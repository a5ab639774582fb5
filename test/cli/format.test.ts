import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  bytes,
  duration,
  instant,
  money,
  percent,
  price,
  probabilities,
  progressBar,
  signedPercent
} from "../../src/cli/format.ts"
import { table } from "../../src/cli/output.ts"

describe("numbers as people read them", () => {
  it("are shares in percent, with their sign where it matters", () => {
    expect([percent(0.1234), percent(1, 0), percent(-0.5)]).toEqual(["12.3%", "100%", "-50.0%"])
    expect([signedPercent(0.012_34), signedPercent(0), signedPercent(-0.1, 1)]).toEqual([
      "+1.23%",
      "+0.00%",
      "-10.0%"
    ])
  })

  it("are durations in the two units that matter", () => {
    expect([0, 0.4, 59.4, 59.6, 61, 3_599, 3_600, 90_061].map(duration)).toEqual([
      ...["0 s", "0 s", "59 s", "1 min 0 s", "1 min 1 s", "59 min 59 s", "1 h 0 min", "25 h 1 min"]
    ])
  })

  it("are money in thousands with two digits, whatever the sign", () => {
    expect([0, 1, 999.999, 1_000, -1_234_567.891, 0.005].map(money)).toEqual([
      "0.00",
      "1.00",
      "1,000.00",
      "1,000.00",
      "-1,234,567.89",
      "0.01"
    ])
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 13), max: 10 ** 13 }), (cents) => {
        expect(Number(money(cents / 100).replaceAll(",", ""))).toBeCloseTo(cents / 100, 6)
        expect(money(cents / 100)).toMatch(/^-?\d{1,3}(,\d{3})*\.\d\d$/)
      })
    )
  })

  it("never say minus nothing", () => {
    expect([money(-0.001), signedPercent(-0.000_001), percent(-0.000_001)]).toEqual([
      "0.00",
      "+0.00%",
      "0.0%"
    ])
  })

  it("are prices with digits enough to tell steps apart", () => {
    expect([20_123.456, 1_000, 123.456_7, 0.000_123_456_7].map(price)).toEqual([
      "20123.46",
      "1000.00",
      "123.457",
      "0.000123457"
    ])
  })

  it("are instants in UTC, to the minute", () => {
    expect(instant(Date.UTC(2024, 1, 29, 23, 59, 59))).toBe("2024-02-29 23:59Z")
  })

  it("are sizes in the unit that fits", () => {
    expect([bytes(512 * 2 ** 20), bytes(2 ** 30), bytes(16.5 * 2 ** 30)]).toEqual([
      "512 MiB",
      "1.0 GiB",
      "16.5 GiB"
    ])
  })

  it("are chances of sell, hold and buy in percent", () => {
    expect(probabilities({ sell: 0.05, hold: 0.2, buy: 0.75 })).toBe(" 5/20/75")
    expect(probabilities({ sell: 0, hold: 1, buy: 0 })).toBe(" 0/100/ 0")
  })

  it("fill a bar as far as the share, and never beyond it", () => {
    expect(progressBar(0.5, 10)).toBe("█████░░░░░")
    fc.assert(
      fc.property(fc.double({ min: -1, max: 2, noNaN: true }), fc.nat(60), (share, width) => {
        expect(progressBar(share, width).length).toBe(width)
      })
    )
    expect([progressBar(-1, 4), progressBar(9, 4)]).toEqual(["░░░░", "████"])
  })
})

describe("a table", () => {
  it("puts columns under each other, words to the left and numbers to the right, and leaves no space behind", () => {
    expect(
      table([
        ["name", "price", "gain"],
        ["ALPHA", "1,000.00", "+1.0%"],
        ["B", "9.5", "-10.25%"]
      ]).split("\n")
    ).toEqual(["name   price     gain", "ALPHA  1,000.00    +1.0%", "B           9.5  -10.25%"])
  })

  it("has a line for each row, whatever the cells, empty ones and short rows among them", () => {
    const cell = fc.string({ maxLength: 12 }).map((text) => text.replaceAll("\n", " "))
    fc.assert(
      fc.property(fc.array(fc.array(cell, { maxLength: 5 }), { minLength: 1, maxLength: 8 }), (rows) => {
        const lines = table(rows).split("\n")
        expect(lines.length).toBe(rows.length)
        for (const line of lines) expect(line).toBe(line.trimEnd())
      })
    )
  })
})
