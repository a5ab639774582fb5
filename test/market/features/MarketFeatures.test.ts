import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  type MarketSession,
  makeMarketFeatures,
  marketFeatureSchema
} from "../../../src/market/features/MarketFeatures.ts"
import { featureSchemaHash } from "../../../src/protocols/Model.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"
import { named } from "./vectors.ts"

const sectors = ["A", "A", "B", "B", "C", "C"]
const dayMs = 86_400_000

const sessionsOf = (seed: number, count: number): ReadonlyArray<MarketSession> => {
  const random = keyedRandom("market features", seed)
  let index = 1_000
  const prices = sectors.map(() => 50)
  return Array.from({ length: count }, (_, i) => {
    index *= 1 + 0.01 * random.normal()
    prices.forEach((price, k) => {
      prices[k] = price * (1 + 0.02 * random.normal())
    })
    const volume = sectors.map(() => 1 + random.int(1_000))
    return {
      asOf: i * dayMs,
      vix: 10 + 10 * random.next(),
      index,
      putCallRatio: 0.5 + random.next(),
      panel: { adjustedClose: [...prices], close: [...prices], volume },
      outcomes: [{ maturedAt: i * dayMs, label: "buy", probability: random.next() }]
    }
  })
}

const run = (sessions: ReadonlyArray<MarketSession>) => {
  const features = makeMarketFeatures({ sectors, signalQuality: { outcomes: 10, outcomesMin: 5 } })
  return sessions.map((session) => features.push(session))
}
const last = (sessions: ReadonlyArray<MarketSession>) => named(marketFeatureSchema, run(sessions).at(-1))

const history = sessionsOf(1, 60)
const changed = (at: number, change: Partial<MarketSession>) =>
  history.map((session, i) => (i === at ? { ...session, ...change } : session))

describe("the features of the equity market", () => {
  it("are the ten of the mission, under a hash of their own", () => {
    expect(marketFeatureSchema.names).toHaveLength(10)
    expect(featureSchemaHash(marketFeatureSchema)).toMatch(/^[0-9a-f]{64}$/)
    expect(featureSchemaHash({ ...marketFeatureSchema, version: 2 })).not.toBe(
      featureSchemaHash(marketFeatureSchema)
    )
  })

  it("warm up one after the other, and are all there after 20 sessions of returns", () => {
    const vectors = run(history).map((vector) => named(marketFeatureSchema, vector))
    const since = (name: string) => vectors.findIndex((vector) => typeof vector[name] === "number")
    expect(marketFeatureSchema.names.map(since)).toEqual([0, 5, 20, 19, 1, 20, 0, 0, 1, 4])
    const waits = vectors
      .flatMap((vector) => Object.values(vector))
      .filter((value) => typeof value !== "number")
    expect(new Set(waits)).toEqual(new Set(["warming-up"]))
  })

  it("of a truncated history are those of the whole one", () => {
    const whole = run(history)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: history.length }), (kept) => {
        expect(run(history.slice(0, kept))).toEqual(whole.slice(0, kept))
      })
    )
  })

  it("without a source are absent with the reason, and the others stay as they are", () => {
    const all = last(history)
    const none = (change: Partial<MarketSession>) => {
      const vector = last(changed(59, change))
      return Object.keys(all).filter((name) => vector[name] === "no-source")
    }
    expect(none({ vix: null })).toEqual(["vix_level"])
    expect(none({ vix: Number.NaN })).toEqual(["vix_level"])
    expect(none({ index: null })).toEqual(["spy_returns_5d", "spy_returns_20d"])
    expect(none({ putCallRatio: null })).toEqual(["put_call_ratio"])
    expect(none({ outcomes: null })).toEqual(["signal_quality"])
    const ofPanel = ["volume_ratio", "market_breadth", "correlation", "gini_coefficient", "sector_dispersion"]
    expect(none({ panel: null })).toEqual(ofPanel)
    const nothing = sectors.map(() => Number.NaN)
    expect(none({ panel: { adjustedClose: nothing, close: nothing, volume: nothing } })).toEqual(ofPanel)
    const withoutVix = last(changed(59, { vix: null }))
    expect({ ...withoutVix, vix_level: all.vix_level }).toEqual(all)
  })

  it("are absent as long as the session that had no source is in their window", () => {
    const vectors = run(changed(30, { index: null, panel: null })).map((one) =>
      named(marketFeatureSchema, one)
    )
    const absent = (name: string) => vectors.flatMap((vector, i) => (vector[name] === "no-source" ? [i] : []))
    expect(absent("spy_returns_5d")).toEqual([30, 35])
    expect(absent("market_breadth")).toEqual([30, 31])
    expect(absent("gini_coefficient")).toEqual([30])
    expect([absent("volume_ratio").at(0), absent("volume_ratio").at(-1)]).toEqual([30, 49])
    expect([absent("correlation").at(0), absent("correlation").at(-1)]).toEqual([30, 50])
  })

  it("leave out tickers that have no number on the day", () => {
    const panel = history[59]?.panel
    if (panel === null || panel === undefined) throw new Error("no panel")
    const without = (column: ArrayLike<number>) =>
      Array.from(column, (one, i) => (i === 2 ? Number.NaN : one))
    const vector = last(
      changed(59, {
        panel: { ...panel, adjustedClose: without(panel.adjustedClose) }
      })
    )
    expect(Object.values(vector).every((value) => typeof value === "number" && Number.isFinite(value))).toBe(
      true
    )
    expect(vector.gini_coefficient).not.toBe(last(history).gini_coefficient)
  })

  it("leave tickers without a sector out of the dispersion, which has no source where all are", () => {
    const vectorOf = (named_: ReadonlyArray<string | null>) => {
      const features = makeMarketFeatures({ sectors: named_ })
      return named(marketFeatureSchema, history.map((session) => features.push(session)).at(-1))
    }
    const all = vectorOf(sectors)
    const some = vectorOf(["A", null, "B", "B", "C", "C"])
    expect(some.sector_dispersion).toBeTypeOf("number")
    expect(some.sector_dispersion).not.toBe(all.sector_dispersion)
    expect({ ...some, sector_dispersion: all.sector_dispersion }).toEqual(all)
    expect(vectorOf(sectors.map(() => null))).toEqual({ ...all, sector_dispersion: "no-source" })
  })

  it("have no breadth, and no correlation, where nothing has moved", () => {
    const [first] = history
    const still = Array.from({ length: 40 }, (_, i) => ({ ...(first as MarketSession), asOf: i * dayMs }))
    expect(last(still)).toMatchObject({
      market_breadth: "undefined",
      correlation: "undefined",
      sector_dispersion: 0,
      spy_returns_20d: 0,
      volume_ratio: 1
    })
  })

  it("refuse sessions out of order, outcomes of after the as-of, and columns of another width", () => {
    const features = makeMarketFeatures({ sectors })
    const session = history[5] as MarketSession
    features.push(session)
    expect(() => features.push(session)).toThrow("in order, each once")
    const next = history[6] as MarketSession
    const early = [{ maturedAt: next.asOf + 1, label: "buy" as const, probability: 0.5 }]
    expect(() => features.push({ ...next, outcomes: early })).toThrow("keep it until then")
    const panel = { adjustedClose: [1], close: [1], volume: [1] }
    expect(() => features.push({ ...next, panel })).toThrow("6 are expected")
  })
})
