import { describe, expect, it } from "@effect/vitest"
import { baselinesOf } from "../../../src/agents/backtest/baselines.ts"
import type { AsOfRecord } from "../../../src/agents/backtest/records.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { withoutLimits } from "../../../src/market/execution/Terms.ts"
import { Sequence } from "../../../src/protocols/wire/Ids.ts"
import { asOfAt, barOf, instrumentOf, timeFrame } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"

const instruments = [instrumentOf("ALPHA"), instrumentOf("BRAVO")]
const warmUp = 5
const bars = 40
const startingCash = 100_000
const free = { feeBps: 0, halfSpreadBps: 0, slippageBps: 0 }

/** Prices that double from the first traded fill to the last close. */
const priceAt = (index: number) => 100 * 2 ** (Math.max(0, index - warmUp - 1) / (bars - warmUp - 2))
const records: ReadonlyArray<AsOfRecord> = Array.from({ length: bars }, (_, index) => ({
  asOf: asOfAt(index),
  bars: instruments.map((one) => barOf(one, index, { open: priceAt(index), close: priceAt(index) })),
  index,
  warmUp: index < warmUp,
  barsSequence: Sequence.make(index + 1),
  decisions: []
}))

const buyAndHold = (terms: Partial<ReturnType<typeof withoutLimits>>, of = records) => {
  const rules = { ...withoutLimits(free), ...terms }
  const curves = runThrough(baselinesOf(of, { instruments, timeFrame, startingCash, rules }))
  expect(curves.map(({ name }) => name)).toEqual(["buy and hold", "crossing 24/168"])
  const [first] = curves
  return first?.equity ?? new Float64Array()
}

describe("the baselines of a backtest", () => {
  it("begin with the starting cash, trade behind the warm-up, and hold what they bought", () => {
    const equity = buyAndHold({})
    expect(equity.length).toBe(bars - warmUp + 1)
    expect([...equity.subarray(0, 3)]).toEqual([startingCash, startingCash, startingCash])
    expect(equity.at(-1)).toBeCloseTo(2 * startingCash, -1)
  })

  it("are in as far as an account with limited leverage can be, costs included", () => {
    const costs = { feeBps: 10, halfSpreadBps: 5, slippageBps: 5 }
    const equity = buyAndHold({ costs, leverageMax: 1 })
    expect(equity.at(-1)).toBeGreaterThan(1.98 * startingCash)
    expect(equity.at(-1)).toBeLessThan(2 * startingCash)
  })

  it("are in with everything where the leverage carries that and its costs", () => {
    const costs = { feeBps: 10, halfSpreadBps: 5, slippageBps: 5 }
    const { leverageMax, maintenanceMargin } = settingsWith().broker
    expect(buyAndHold({ costs, leverageMax, maintenanceMargin })).toEqual(buyAndHold({ costs }))
  })

  it("trade in a bar whose volume is not known, and keep the volumes of the others", () => {
    const told = (volumeAt: (index: number) => number | null) =>
      records.map((one) => ({
        ...one,
        bars: one.bars.map((bar) => ({ ...bar, volume: volumeAt(one.index) }))
      }))
    const scarce = { participationMax: 0.1 }
    const everywhere = buyAndHold(
      scarce,
      told(() => 10)
    )
    expect(everywhere).not.toEqual(buyAndHold({}))
    expect(
      buyAndHold(
        scarce,
        told((index) => (index === 0 ? null : 10))
      )
    ).toEqual(everywhere)
    expect(
      buyAndHold(
        {},
        told((index) => (index > warmUp ? null : 1))
      )
    ).toEqual(buyAndHold({}))
  })
})
