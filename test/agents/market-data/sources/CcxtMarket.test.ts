import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { marketOf } from "../../../../src/agents/market-data/sources/CcxtMarket.ts"
import type { MarketDescription } from "../../../../src/agents/market-data/sources/exchangeThread.js"
import type { CcxtSettings } from "../../../../src/agents/market-data/sources/SourceSettings.ts"

const spot: MarketDescription = {
  symbol: "BTC/USDT",
  id: "BTC-USDT",
  type: "spot",
  linear: undefined,
  contract: false,
  contractSize: undefined,
  quote: "USDT",
  tick: 0.01,
  step: 0.001,
  precisionMode: 4,
  created: 1_500_000_000_000,
  limit: undefined
}
const swap = {
  ...spot,
  symbol: "BTC/USDT:USDT",
  type: "swap",
  contract: true,
  contractSize: 0.1,
  linear: true
}
const settings: CcxtSettings = {
  kind: "ccxt",
  name: "main",
  exchange: "venue",
  instruments: [{ symbol: "X" }],
  marketTypes: [],
  volumeIn: "base",
  webSocket: false,
  pollDelayMs: 0,
  requestTimeoutMs: 1_000
}
const read = (market: MarketDescription, more: Partial<CcxtSettings> = {}) =>
  marketOf(market, { ...settings, ...more }, undefined)
const taken = (...args: Parameters<typeof read>) => Either.getOrThrow(read(...args))
const refused = (market: MarketDescription) => {
  const result = read(market)
  return Either.isLeft(result) ? result.left : "taken"
}

describe("a market of an exchange", () => {
  it("is an instrument with the steps of the market, listed when it began", () => {
    expect(taken(spot).instrument).toEqual({
      id: "venue:BTC-USDT:spot",
      venue: "venue",
      symbol: "BTC-USDT",
      kind: "spot",
      tick: 0.01,
      lot: 0.001,
      currency: "USDT",
      calendar: "always",
      listedAt: 1_500_000_000_000
    })
  })

  it("has steps of decimal places, and the smallest where there are none", () => {
    const places = { ...spot, precisionMode: 2, tick: 2, step: 0 }
    expect(taken(places).instrument).toMatchObject({ tick: 0.01, lot: 1 })
    const digits = { ...spot, precisionMode: 3, tick: 5, step: 8 }
    expect(taken(digits).instrument).toMatchObject({ tick: 1e-8, lot: 1e-8 })
  })

  it("counts contracts in base units, the volume too where the exchange counts it so", () => {
    expect(taken(swap).instrument).toMatchObject({ id: "venue:BTC-USDT:perp", lot: 0.1 * 0.001 })
    expect(taken(swap).units.volumeFactor).toBe(1)
    expect(taken(swap, { volumeIn: "contracts" }).units.volumeFactor).toBe(0.1)
    expect(taken(spot, { volumeIn: "contracts" }).units.volumeFactor).toBe(1)
    expect(taken({ ...swap, type: "future" }).instrument.kind).toBe("future")
  })

  it("asks for as many bars as the exchange gives, and not for more than are parsed in one go", () => {
    expect([undefined, 0, 300, 5_000, "many"].map((limit) => taken({ ...spot, limit }).pageBarsMax)).toEqual([
      1_000, 1_000, 300, 1_000, 1_000
    ])
  })

  it("is refused when it is settled in its own coin, is an option, or does not tell what is needed", () => {
    expect(refused({ ...swap, linear: false })).toContain("no bars here")
    expect(refused({ ...spot, type: "option" })).toContain("no bars here")
    expect(refused({ ...spot, tick: undefined })).toContain("does not tell the steps")
    expect(refused({ ...spot, tick: 0 })).toContain("does not tell the steps")
    expect(refused({ ...swap, contractSize: undefined })).toContain("does not tell the steps")
    expect(refused({ ...spot, id: "a b" })).toContain("is no name of an instrument")
    expect(refused({ ...spot, quote: "a currency with a long name" })).toContain("does not describe")
  })
})
