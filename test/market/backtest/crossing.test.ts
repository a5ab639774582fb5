import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  crossingTargets,
  type TargetOptions,
  runTargets as targetSteps
} from "../../../src/market/backtest/crossing.ts"
import { runEvents, type Strategy } from "../../../src/market/backtest/EventEngine.ts"
import { targetStrategy } from "../../../src/market/backtest/targetStrategy.ts"
import { type ExecutionRules, withoutLimits } from "../../../src/market/execution/Terms.ts"
import { free, instrumentOf } from "../execution/market.ts"
import { anyShape, drain, scheduleOf, seriesOf } from "./series.ts"

const runTargets = (...of: Parameters<typeof targetSteps>) => drain(targetSteps(...of))

const costly = { feeBps: 5, halfSpreadBps: 1, slippageBps: 1 }
const anyRules: fc.Arbitrary<ExecutionRules> = fc.record({
  costs: fc.constantFrom(free, costly, {
    ...costly,
    fundingBps: -3,
    fundingEveryHours: 1,
    borrowBpsPerYear: 900
  }),
  leverageMax: fc.constantFrom(null, null, 1),
  shorting: fc.constantFrom(true, true, false),
  maintenanceMargin: fc.constantFrom(null, null, 0.4),
  participationMax: fc.constantFrom(null, null, 0.05),
  latencyMs: fc.constantFrom(0, 0, 1)
})

const series = (bars = 60, seed = 1) =>
  seriesOf({
    instrument: instrumentOf("ANY", { tick: 0.01, lot: 1e-4 }),
    bars,
    seed,
    silent: 0,
    missing: 0,
    closeOnly: false
  })
const options: TargetOptions = {
  startingCash: 100_000,
  rules: withoutLimits(costly),
  exposure: 0.5,
  withEquity: true
}

describe("a run of targets", () => {
  it("comes to what the event engine comes to with the same targets, to the last unit", () => {
    let fills = 0
    fc.assert(
      fc.property(
        anyShape,
        anyRules,
        fc.infiniteStream(fc.constantFrom(-1, 0, 0, 1, 1)),
        fc.constantFrom(0.1, 0.9, 2),
        fc.constantFrom(1, 4),
        (shape, rules, stream, exposure, every) => {
          const one = seriesOf(shape)
          const targets = new Int8Array(one.close.length)
          for (let i = 0; i < targets.length; i++)
            targets[i] = i % every === 0 ? (stream.next().value as number) : (targets[i - 1] as number)
          const byTargets = runTargets(one, targets, {
            startingCash: 50_000,
            rules,
            exposure,
            withEquity: true
          })
          const strategy = targetStrategy({ positions: new Map([[one.instrument.id, targets]]), exposure })
          const sides: Array<number> = []
          const watched: Strategy = (context) => {
            sides.push(Math.sign(context.heldOf(one.instrument.id)))
            return strategy(context)
          }
          const byEvents = drain(runEvents(scheduleOf(one), watched, { startingCash: 50_000, rules }))
          expect(byTargets.ledger).toEqual(byEvents.account.ledger)
          expect(byTargets.equityCurve).toEqual(byEvents.equity)
          expect(byTargets.equity).toBe(byEvents.equity.at(-1))
          expect(byTargets.sides).toEqual(Int8Array.from(sides))
          expect([byTargets.fills, byTargets.orders, byTargets.rejections, byTargets.shortfall]).toEqual([
            byEvents.fills.length,
            byEvents.orders.length,
            byEvents.rejections.length,
            byEvents.shortfall
          ])
          fills += byTargets.fills
        }
      ),
      { numRuns: 200 }
    )
    expect(fills).toBeGreaterThan(500)
  })

  it("does the same with and without a curve, and leaves what does not change alone", () => {
    const one = series()
    const targets = crossingTargets(one, 3, 8, true)
    const without = runTargets(one, targets, { ...options, withEquity: false })
    expect({ ...runTargets(one, targets, options), equityCurve: null, sides: null }).toEqual(without)
    const still = runTargets(one, new Int8Array(60), options)
    expect(still).toMatchObject({ equity: 100_000_000_000, fills: 0, orders: 0 })
    expect(new Set(still.equityCurve)).toEqual(new Set([100_000_000_000]))
  })

  it("refuses as many targets as there are no bars, and steps too fine to count in", () => {
    expect(() => runTargets(series(), new Int8Array(59), options)).toThrow(/59 targets for 60 bars/)
    const fine = { ...series(), instrument: instrumentOf("ANY", { tick: 1e-15, lot: 1 }) }
    expect(() => runTargets(fine, new Int8Array(60), options)).toThrow(RangeError)
  })

  it("stops between slices, so that whoever runs it may breathe", () => {
    const one = series(10_000)
    const steps = targetSteps(one, crossingTargets(one, 3, 8, true), options)
    let slices = 1
    while (steps.next().done !== true) slices++
    expect(slices).toBe(3)
  })

  it("is empty over no bars", () => {
    const none = series(0)
    expect(runTargets(none, new Int8Array(0), options)).toMatchObject({ equity: 100_000_000_000, fills: 0 })
  })
})

describe("a crossing of averages", () => {
  it("is what the averages of whole ticks say at each bar, and nothing before the slow one is full", () => {
    fc.assert(
      fc.property(
        anyShape,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 20 }),
        (shape, fast, more) => {
          const one = seriesOf(shape)
          const slow = fast + more
          const targets = crossingTargets(one, fast, slow, true)
          const ticks = Array.from(one.close, (close) => Math.round(close / one.instrument.tick))
          const sum = (to: number, bars: number) =>
            ticks.slice(to + 1 - bars, to + 1).reduce((a, b) => a + b, 0)
          targets.forEach((target, i) => {
            const expected = i < slow - 1 ? 0 : Math.sign(sum(i, fast) * slow - sum(i, slow) * fast)
            expect(target).toBe(expected === 0 ? 0 : expected)
          })
          const long = crossingTargets(one, fast, slow, false)
          expect(Array.from(long)).toEqual(Array.from(targets, (target) => Math.max(target, 0)))
        }
      ),
      { numRuns: 40 }
    )
  })

  it("does not look ahead: bars after an as-of change no target up to it", () => {
    const one = series(60)
    const cut = { ...one, close: one.close.slice(0, 40) }
    expect(crossingTargets(cut, 3, 8, true)).toEqual(crossingTargets(one, 3, 8, true).slice(0, 40))
  })

  it("needs a fast average that is shorter than the slow one", () => {
    for (const [fast, slow] of [
      [0, 5],
      [5, 5],
      [6, 5],
      [1.5, 5],
      [1, Number.NaN]
    ] as const)
      expect(() => crossingTargets(series(), fast, slow, true)).toThrow(RangeError)
  })
})
