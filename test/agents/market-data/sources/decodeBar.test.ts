import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import {
  type BarNumbers,
  barLimits,
  decodeBar,
  makeBar
} from "../../../../src/agents/market-data/sources/decodeBar.ts"
import { plainUnits, type UnitSettings } from "../../../../src/agents/market-data/sources/SourceSettings.ts"
import { TimeFrame, toMs } from "../../../../src/protocols/TimeFrame.ts"
import { bitcoin, message, minuteMs, oneMinute, startTime } from "./sources.ts"

const place = { source: "venue", instrument: bitcoin, timeFrame: oneMinute, units: plainUnits }
const now = { nowMs: startTime + 60 * minuteMs, receivedAt: null }

const decodeText = (text: string) => decodeBar(place, Buffer.from(text, "utf8"), now)
const decodeWith = (more: Record<string, unknown>) => decodeText(JSON.stringify(message(0, more)))
const reason = (result: Either.Either<unknown, string>) => (Either.isLeft(result) ? result.left : "taken")

const numbers: BarNumbers = {
  openTime: startTime,
  open: 100,
  high: 110,
  low: 90,
  close: 105,
  volume: 7,
  revision: 0
}
const inUnits = (units: Partial<UnitSettings>) =>
  Either.getOrThrow(makeBar({ ...place, units: { ...plainUnits, ...units } }, numbers, now))

describe("a message of a bar", () => {
  it("is decoded with its place, its provenance and its sequence on the grid of its time frame", () => {
    expect(
      Either.getOrThrow(decodeText(JSON.stringify(message(3, { revision: 2, exchangeCode: "x" }))))
    ).toEqual({
      instrument: bitcoin.id,
      timeFrame: "1m",
      openTime: startTime + 3 * minuteMs,
      closeTime: startTime + 4 * minuteMs,
      open: 100,
      high: 105,
      low: 99,
      close: 104,
      volume: 5,
      closeOnly: false,
      source: "venue",
      sequence: startTime / minuteMs + 3,
      revision: 2,
      knownAt: startTime + 4 * minuteMs
    })
  })

  it("is refused for numbers that are none, and for those that JSON lets through", () => {
    const text = JSON.stringify(message(0))
    for (const number of ["1e999", "-1e999", "NaN", '"100"', "null", "0", "-1", "[100]", "{}", "true"]) {
      expect(reason(decodeText(text.replace('"open":100', `"open":${number}`)))).not.toBe("taken")
    }
    for (const volume of ["1e999", "-1", '"5"', "{}"]) {
      expect(reason(decodeText(text.replace('"volume":5', `"volume":${volume}`)))).not.toBe("taken")
    }
    expect(reason(decodeText(text.replace('"volume":5', '"volume":null')))).toBe("taken")
    for (const openTime of [-1, 1.5, 2 ** 53 + 2, 8.64e15]) {
      expect(reason(decodeWith({ openTime }))).not.toBe("taken")
    }
  })

  it("is refused when its prices do not fit together", () => {
    expect(reason(decodeWith({ low: 100.5 }))).toContain("between low and high")
    expect(reason(decodeWith({ high: 100.5 }))).toContain("between low and high")
    expect(reason(decodeWith({ high: 98, low: 99 }))).toContain("between low and high")
  })

  it("is refused under the name of another instrument or time frame", () => {
    expect(reason(decodeWith({ instrument: "binance:ETHUSDT:spot" }))).toContain("binance:ETHUSDT:spot 1m")
    expect(reason(decodeWith({ timeFrame: "5m" }))).toContain("5m where one of")
    expect(reason(decodeWith({ instrument: "nonsense" }))).toContain("instrument: ")
  })

  it("is refused as long as it has not closed, but for a little that clocks differ by", () => {
    const isTaken = (frame: string, aheadMs: number) => {
      const timeFrame = TimeFrame.make(frame)
      const openTime = now.nowMs - toMs(timeFrame) + aheadMs
      return reason(makeBar({ ...place, timeFrame }, { ...numbers, openTime }, now))
    }
    // A quarter of the time frame, between two seconds and a minute.
    for (const [frame, aheadMs] of [
      ["1s", 2_000],
      ["1m", 15_000],
      ["1h", 60_000]
    ] as const) {
      expect(isTaken(frame, aheadMs)).toBe("taken")
      expect(isTaken(frame, aheadMs + 1)).toContain("from now")
    }
  })

  it("is refused by size, depth and key before it is decoded", () => {
    expect(reason(decodeWith({ note: "x".repeat(barLimits.messageBytesMax) }))).toContain("bytes")
    expect(reason(decodeText(`${"[".repeat(2_000)}${"]".repeat(2_000)}`))).toContain("nested")
    expect(reason(decodeText(JSON.stringify(message(0)).replace("{", '{"__proto__":{"open":1},')))).toContain(
      "__proto__"
    )
    expect(reason(decodeText("not json"))).toContain("not JSON")
    expect(reason(decodeText(""))).toContain("not JSON")
    expect(reason(decodeText("[]"))).not.toBe("taken")
  })

  it("never gives anything but a bar whose numbers fit together, whatever it says", () => {
    const any = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.constant(null), fc.float({ min: 1 }))
    const record = fc.record({
      openTime: any,
      open: any,
      high: any,
      low: any,
      close: any,
      volume: any,
      revision: any
    })
    fc.assert(
      fc.property(record, (fields) => {
        const result = decodeBar(place, Buffer.from(JSON.stringify({ ...message(0), ...fields })), now)
        if (Either.isLeft(result)) return
        const { close, high, low, open, volume } = result.right
        expect([open, high, low, close].every((price) => price > 0 && Number.isFinite(price))).toBe(true)
        expect(low <= Math.min(open, close) && Math.max(open, close) <= high).toBe(true)
        expect(volume === null || (volume >= 0 && Number.isFinite(volume))).toBe(true)
      })
    )
  })

  it("takes every bar that fits together, with its numbers as they are", () => {
    const price = fc.double({ min: 1e-9, max: 1e12, noNaN: true })
    const sorted = fc.tuple(price, price, price, price).map((prices) => [...prices].sort((a, b) => a - b))
    const volume = fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: null })
    fc.assert(
      fc.property(sorted, volume, fc.boolean(), (prices, volume, isUp) => {
        const [low, a, b, high] = prices as [number, number, number, number]
        const values = { low, high, open: isUp ? a : b, close: isUp ? b : a, volume }
        expect(Either.getOrThrow(decodeWith(values))).toMatchObject(values)
      })
    )
  })
})

describe("the units of a source", () => {
  it("are left as they are where they are quote currency and base units", () => {
    expect(inUnits({})).toMatchObject({ open: 100, high: 110, low: 90, close: 105, volume: 7 })
  })

  it("become quote currency: pence are a hundredth of a pound, to the last digit", () => {
    for (const [pence, pounds] of [
      [57, 0.57],
      [110, 1.1],
      [101.5, 1.015]
    ] as const) {
      const flat = { ...numbers, open: pence, high: pence, low: pence, close: pence }
      const units = { ...plainUnits, priceFactor: 0.01 }
      expect(Either.getOrThrow(makeBar({ ...place, units }, flat, now)).close).toBe(pounds)
    }
  })

  it("become base units: of lots, of quote currency, or none", () => {
    expect(inUnits({ volumeFactor: 100 }).volume).toBe(700)
    expect(inUnits({ volumeFactor: 0.001 }).volume).toBe(0.007)
    expect(inUnits({ volumeIn: "quote" }).volume).toBeCloseTo(7 / ((110 + 90 + 105) / 3), 12)
    expect(inUnits({ volumeIn: "quote", volumeFactor: 1_000, priceFactor: 10 }).volume).toBeCloseTo(
      7_000 / ((1_100 + 900 + 1_050) / 3),
      9
    )
    expect(inUnits({ volumeIn: "none" }).volume).toBeNull()
  })

  it("do not carry a price beyond what a number holds", () => {
    const units = { ...plainUnits, priceFactor: 1e12 }
    const huge = { ...numbers, open: 1e300, high: 1e300, low: 1e300, close: 1e300 }
    expect(reason(makeBar({ ...place, units }, huge, now))).toContain("not a positive number")
  })
})

describe("when a bar closes", () => {
  it("is where its interval ends, or with the session of its calendar", () => {
    const day = { ...place, timeFrame: TimeFrame.make("1d") }
    const openTime = Date.UTC(2018, 10, 23)
    const closing = (calendar: "always" | "nyse") =>
      Either.getOrThrow(
        makeBar({ ...day, instrument: { ...bitcoin, calendar } }, { ...numbers, openTime }, now)
      ).closeTime
    expect(closing("always")).toBe(Date.UTC(2018, 10, 24))
    // The day after Thanksgiving.
    expect(closing("nyse")).toBe(Date.UTC(2018, 10, 23, 18))
  })
})

describe("when a bar is known", () => {
  it("is when it closed, of one of the past, and when it arrived, of news", () => {
    const knownAt = (receivedAt: number | null) =>
      Either.getOrThrow(makeBar(place, numbers, { ...now, receivedAt })).knownAt
    expect(knownAt(null)).toBe(startTime + minuteMs)
    expect(knownAt(now.nowMs)).toBe(now.nowMs)
    expect(knownAt(startTime)).toBe(startTime + minuteMs)
  })

  it("says nothing of its sequence, which is dense and rises by one with each bar", () => {
    for (const text of ["1s", "5m", "4h", "1d", "1w"]) {
      const timeFrame = TimeFrame.make(text)
      const at = (k: number) => {
        const openTime = startTime - (10 - k) * toMs(timeFrame)
        return Either.getOrThrow(makeBar({ ...place, timeFrame }, { ...numbers, openTime }, now)).sequence
      }
      expect([at(1) - at(0), at(2) - at(1), at(9) - at(0)]).toEqual([1, 1, 9])
    }
  })
})
