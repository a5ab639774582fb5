import { describe, expect, it } from "@effect/vitest"
import { feedSourceLines } from "../../src/cli/feedSourceLines.ts"
import type { FeedSourceState, FeedState } from "../../src/protocols/rpc/MarketDataRpcs.ts"
import { modelOf } from "./view/Model.ts"

const feed = modelOf(1).feed as FeedState
const sourceOf = (changes: Partial<FeedSourceState>): FeedSourceState => ({
  name: "a",
  kind: "ccxt",
  role: "active",
  state: "well",
  breaker: "closed",
  wellForMs: 61_500,
  bars: 12,
  failures: 0,
  disagreements: 3,
  lastBarAt: 0,
  latencyMs: 1_260,
  lastFailure: null,
  ...changes
})

describe("the sources of a feed", () => {
  it("have a line each, with what is wrong with them", () => {
    const down = { name: "b", role: "standby", state: "down", breaker: "open", wellForMs: null } as const
    const lines = feedSourceLines({
      ...feed,
      handOvers: 2,
      corrections: 3,
      sources: [sourceOf({}), sourceOf({ ...down, latencyMs: null, refused: 4, lastFailure: "It is gone." })]
    }).join("\n")
    expect(lines).toMatch(
      /a +active +well +12 bars +1\.3 s after the close +well for 61\.5 s +0 failures, 3 disag/
    )
    expect(lines).toMatch(/b +standby +down, breaker open .*, 4 refused +It is gone\./)
    expect(lines).toContain("2 hand-overs, 3 bars corrected or late")
  })

  it("are passed over where a feed has none", () => {
    expect(feedSourceLines(feed)).toEqual([])
  })
})
