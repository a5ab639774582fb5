import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { SourceSettings, venueOf } from "../../../../src/agents/market-data/sources/SourceSettings.ts"
import { bitcoin, listed } from "./sources.ts"

const decode = Schema.decodeUnknownEither(SourceSettings, { onExcessProperty: "error" })
const listing = [{ id: bitcoin.id, tick: 0.01, lot: 0.001, currency: "USDT" }]
const examples = {
  ccxt: { kind: "ccxt", name: "main", exchange: "binance", instruments: [{ symbol: "BTC/USDT" }] },
  companion: { kind: "companion", name: "main", url: "http://127.0.0.1:8080" },
  redis: { kind: "redis", name: "main", url: "redis://127.0.0.1:6379", instruments: listing },
  nats: { kind: "nats", name: "main", url: "nats://127.0.0.1:4222", instruments: listing },
  sqlite: { kind: "sqlite", name: "main", path: "bars.db", instruments: listing },
  file: { kind: "file", name: "main", files: [{ path: "bars.csv" }] },
  simulator: {
    kind: "simulator",
    name: "main",
    world: "momentum",
    seed: 1,
    instruments: 2,
    timeFrame: "1m",
    start: "2026-01-01"
  }
} as const

describe("settings of a source", () => {
  it("need no more than what has no default, and name what is connected to", () => {
    const venues = Object.values(examples).map((example) => venueOf(Either.getOrThrow(decode(example))))
    expect(venues).toEqual([
      "ccxt/binance",
      "companion/127.0.0.1:8080",
      "redis/127.0.0.1:6379",
      "nats/127.0.0.1:4222",
      "sqlite/bars.db",
      "file/bars.csv",
      "simulator/momentum/1"
    ])
  })

  it("tell an exchange that is reached elsewhere from itself", () => {
    const moved = Either.getOrThrow(decode({ ...examples.ccxt, baseUrl: "http://127.0.0.1:81/x" }))
    expect(venueOf(moved)).toBe("ccxt/binance@127.0.0.1:81")
  })

  it("refuse unknown keys, names that are none and addresses of another kind", () => {
    for (const [kind, more] of [
      ["ccxt", { colour: "red" }],
      ["ccxt", { name: "not a name" }],
      ["ccxt", { exchange: "../binance" }],
      ["ccxt", { instruments: [] }],
      ["ccxt", { baseUrl: "ftp://127.0.0.1" }],
      ["ccxt", { secretVariable: "path" }],
      ["companion", { url: "127.0.0.1:8080" }],
      ["companion", { liveUrl: "http://127.0.0.1" }],
      ["redis", { url: "http://127.0.0.1" }],
      ["redis", { instruments: [{ ...listed(bitcoin), tick: 0 }] }],
      ["nats", { units: { priceFactor: 0 } }],
      ["nats", { units: { volumeIn: "bushels" } }],
      ["simulator", { start: "yesterday" }],
      ["sqlite", { instruments: [] }]
    ] as const) {
      expect(Either.isLeft(decode({ ...examples[kind], ...more })), JSON.stringify(more)).toBe(true)
    }
  })

  it("hold no secret: an address with a user or a password is refused", () => {
    for (const url of ["redis://user:secret@127.0.0.1:6379", "redis://:secret@127.0.0.1"]) {
      const refused = decode({ ...examples.redis, url })
      expect(Either.isLeft(refused) && refused.left.message).toContain("secretVariable")
    }
  })
})
