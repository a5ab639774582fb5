import { describe, expect, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { checkWorld, World, worlds } from "../../src/market/worlds.ts"

const { efficient, momentum } = worlds
const reasonOf = (world: World): string => {
  const checked = checkWorld(world)
  if (Either.isRight(checked)) throw new Error("the world should be impossible")
  expect(checked.left.message).toContain(`The world "${world.name}" cannot be simulated: `)
  return checked.left.reason
}
const withRegime = (change: Partial<World["regimes"][number]>): World => ({
  ...efficient,
  regimes: efficient.regimes.map((regime, i) => (i === 1 ? { ...regime, ...change } : regime))
})

describe("worlds", () => {
  it("that come with the system are possible, and are data", () => {
    for (const world of Object.values(worlds)) {
      expect(Either.isRight(checkWorld(world))).toBe(true)
      expect(Schema.decodeUnknownSync(World)(JSON.parse(JSON.stringify(world)))).toEqual(world)
    }
  })

  it("have an edge by momentum alone in `momentum`, and none at all in `efficient`", () => {
    for (const { regimes } of [momentum, efficient])
      expect(regimes.every(({ drift }) => drift === 0)).toBe(true)
    expect(momentum.momentum).not.toBeNull()
    expect(efficient.momentum).toBeNull()
  })

  it("that contradict themselves are refused with the reason", () => {
    expect(reasonOf({ ...efficient, regimes: [] })).toBe("it has no regime")
    expect(reasonOf(withRegime({ volatility: -0.01 }))).toContain(
      "volatility of regime turbulent is negative"
    )
    expect(reasonOf(withRegime({ volatility: Number.NaN }))).toContain("volatility of regime turbulent")
    expect(reasonOf(withRegime({ degrees: 2 }))).toContain("regime turbulent has 2 degrees of freedom")
    expect(reasonOf(withRegime({ degrees: 4.5 }))).toContain("a whole number")
    expect(reasonOf(withRegime({ drift: -1 }))).toContain("drift of regime turbulent")
    expect(reasonOf({ ...efficient, transitions: [[0.985, 0.015]] })).toContain("2 regimes need as many rows")
    expect(reasonOf({ ...efficient, transitions: [[0.985, 0.015], [1]] })).toContain("name 1 regimes of 2")
    expect(
      reasonOf({
        ...efficient,
        transitions: [
          [0.985, 0.015],
          [0.5, 0.4]
        ]
      })
    ).toContain("sum to 0.9, not to 1")
    expect(
      reasonOf({
        ...efficient,
        transitions: [
          [0.985, 0.015],
          [1.5, -0.5]
        ]
      })
    ).toContain("is no probability")
    expect(reasonOf({ ...efficient, correlation: 1 })).toContain("correlation 1 is outside [0, 1)")
    expect(reasonOf({ ...efficient, correlation: -0.1 })).toContain("outside [0, 1)")
    expect(reasonOf({ ...efficient, volume: { ...efficient.volume, median: 0 } })).toContain(
      "positive median"
    )
    expect(reasonOf({ ...momentum, momentum: { persistence: 1, share: 0.3 } })).toContain("persistence")
    expect(reasonOf({ ...momentum, momentum: { persistence: 0.9, share: 1 } })).toContain(
      "share of the momentum"
    )
  })
})
