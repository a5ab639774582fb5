import { describe, expect, it } from "@effect/vitest"
import { linearLearner } from "../../../src/agents/deep-learning/LinearLearner.ts"
import { barOf, closed, instrumentOf, simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { learnerConformance } from "../voter/learnerConformance.ts"
import { fitOf, learn } from "../voter/learning.ts"

const changes = { "deepLearning.lags": 4, "deepLearning.rowsMin": 60 }

describe("the linear learner", () => {
  learnerConformance({
    make: linearLearner,
    changes,
    fittableFrom: 250,
    refitEveryBars: "deepLearning.refitEveryBars"
  })

  const learner = linearLearner(settingsWith(changes))
  const metric = (state: ReturnType<typeof learner.initial>, name: string) =>
    fitOf(learner, state)?.manifest.metrics.find((found) => found.name === name)?.value ?? Number.NaN

  it("learns from labels that have matured and from no others: a horizon's bars are missing at the end", () => {
    const { events } = simulated({ seed: 72, count: 300, instruments: 1 })
    const rows = learn(learner, events).sums.rows()
    // The first window needs 65 closes, and the last labels end after the last bar.
    expect(rows).toBe(300 - 65 + 1 - 4)
    const closeOnly = events.map((event) => ({
      ...event,
      payload: { ...event.payload, bars: event.payload.bars.map((bar) => ({ ...bar, closeOnly: true })) }
    }))
    expect(learn(learner, closeOnly).sums.rows()).toBe(rows - 1)
  })

  it("finds the edge of a world that has one, and claims none where there is none", () => {
    const learned = (world: "momentum" | "efficient") =>
      learn(learner, simulated({ seed: 73, count: 1_200, instruments: 4, world }).events)
    const edge = learned("momentum")
    expect(metric(edge, "base-log-loss") - metric(edge, "log-loss")).toBeGreaterThan(0.005)
    const none = learned("efficient")
    expect(metric(none, "base-log-loss") - metric(none, "log-loss")).toBeLessThan(0.005)
  })

  it("makes no row of an instrument that does not move", () => {
    const still = instrumentOf("STILL")
    const events = Array.from({ length: 120 }, (_, i) => closed(i, [barOf(still, i, { open: 5, close: 5 })]))
    expect(learn(learner, events).sums.rows()).toBe(0)
  })
})
