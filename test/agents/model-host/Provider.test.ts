import { describe, expect, it } from "@effect/vitest"
import { choiceFor, Provider, ProviderChoice, providersOf } from "../../../src/agents/model-host/Provider.ts"

describe("the choice of a provider", () => {
  it("is the CPU in lock-step, whatever is asked for", () => {
    for (const choice of ProviderChoice.literals) expect(choiceFor(choice, { paceMs: null })).toBe("cpu")
  })

  it("is followed in a paced run", () => {
    for (const choice of ProviderChoice.literals) expect(choiceFor(choice, { paceMs: 1_000 })).toBe(choice)
  })

  it("is followed without a feed only where a provider is named", () => {
    for (const choice of ProviderChoice.literals) {
      expect(choiceFor(choice, undefined)).toBe(choice === "auto" ? "cpu" : choice)
    }
  })

  it("means all providers, one, or none", () => {
    expect(providersOf("auto")).toEqual(Provider.literals)
    expect(providersOf("cpu")).toEqual([])
    for (const provider of Provider.literals) expect(providersOf(provider)).toEqual([provider])
  })
})
