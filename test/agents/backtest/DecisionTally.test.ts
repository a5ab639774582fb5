import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { makeDecisionTally } from "../../../src/agents/backtest/DecisionTally.ts"
import type { Decision } from "../../../src/protocols/Decision.ts"
import { canonicalJson } from "../../../src/protocols/wire/Json.ts"

const decisionOf = (id: string, members: ReadonlyArray<string>, changes: object = {}) =>
  ({
    id,
    key: { run: "test", instrument: "sim:ALPHA:spot", timeFrame: "1h", asOf: 5 },
    action: "buy",
    strategy: "directional",
    targetExposure: 0.5,
    confidence: 0.6,
    degraded: null,
    inputs: {
      answers: [{ _tag: "Opinion" }, { _tag: "Abstention" }],
      weights: members.map((member, i) => ({ member, weight: i / 10 }))
    },
    modelVersions: [{ voter: "deep-learning", version: "1" }],
    ...changes
  }) as unknown as Decision

const decisions = [
  decisionOf("a", ["baseline", "deep-learning"]),
  decisionOf("b", ["baseline", "deep-learning"], { degraded: "no quorum" }),
  decisionOf("c", ["baseline"], { modelVersions: [{ voter: "deep-learning", version: "2" }] })
]

describe("the tally of decisions", () => {
  it("keeps of each what is asked of it again, and one list of members for all that share it", () => {
    const { keep } = makeDecisionTally()
    const [a, b, c] = decisions.map(keep)
    expect(a).toEqual({
      id: "a",
      key: decisions[0]?.key,
      action: "buy",
      strategy: "directional",
      targetExposure: 0.5,
      members: ["baseline", "deep-learning"],
      weights: [0, 0.1]
    })
    expect(b?.members).toBe(a?.members)
    expect(c?.members).toEqual(["baseline"])
  })

  it("counts them, names each model once and hashes all of them in order", () => {
    const tally = makeDecisionTally()
    for (const decision of decisions) tally.keep(decision)
    expect(tally.counts()).toEqual({ decisions: 3, degraded: 1, abstentions: 3 })
    expect(tally.models().map(({ version }) => version)).toEqual(["1", "2"])
    const text = decisions.map((decision) => `${canonicalJson(decision)}\n`).join("")
    expect(tally.digest()).toBe(createHash("sha256").update(text).digest("hex"))
  })
})
