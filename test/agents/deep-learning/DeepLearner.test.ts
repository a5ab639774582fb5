import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { emptyWindows, encodeWindows, evolveWindows } from "../../../src/agents/deep-learning/BarWindows.ts"
import { deepLearner } from "../../../src/agents/deep-learning/DeepLearner.ts"
import { linearLearner } from "../../../src/agents/deep-learning/LinearLearner.ts"
import type { BarsEvent } from "../../../src/protocols/Bar.ts"
import type { Instrument } from "../../../src/protocols/Instrument.ts"
import { asOfAt, opened, simulated } from "../feedEvents.ts"
import { settingsWith } from "../settings.ts"
import { learnerConformance } from "../voter/learnerConformance.ts"
import { featuresOf, fitOf, restarted, signature } from "../voter/learning.ts"

const changes = { "deepLearning.lags": 4, "deepLearning.rowsMin": 60 }

describe("the deep-learning agent's learner", () => {
  learnerConformance({
    make: deepLearner,
    changes,
    fittableFrom: 250,
    refitEveryBars: "deepLearning.refitEveryBars"
  })

  const settings = settingsWith(changes)
  const learner = deepLearner(settings)
  const linear = linearLearner(settings)
  const { events, instruments } = simulated({ seed: 93, count: 400, instruments: 2 })
  const all: ReadonlyArray<BarsEvent> = [opened(instruments), ...events]
  const [alpha] = instruments as [Instrument]

  it("is the linear learner in all that has to do with its models", () => {
    const own = all.reduce(learner.evolve, learner.initial())
    const expected = all.reduce(linear.evolve, linear.initial())
    const encode = Schema.encodeSync(linear.snapshot)
    expect(encode(own.own)).toEqual(encode(expected))
    expect(learner.timeFrame(own)).toBe(linear.timeFrame(expected))
    expect(signature(fitOf(learner, own))).toEqual(signature(fitOf(linear, expected)))
    for (const index of [399, 390, 370, 300]) {
      expect(featuresOf(learner, own, alpha.id, asOfAt(index))).toEqual(
        featuresOf(linear, expected, alpha.id, asOfAt(index))
      )
    }
    const { features, horizonBars, kind, name } = learner
    expect({ features, horizonBars, kind, name }).toEqual({
      features: linear.features,
      horizonBars: linear.horizonBars,
      kind: linear.kind,
      name: linear.name
    })
    // A snapshot of the one is none of the other.
    expect(learner.version).not.toBe(linear.version)
  })

  it("is due when the linear learner is", () => {
    let own = learner.initial()
    let expected = linear.initial()
    for (const event of all) {
      own = learner.evolve(own, event)
      expected = linear.evolve(expected, event)
      for (const hasModel of [false, true]) {
        expect(learner.isDue(own, hasModel)).toBe(linear.isDue(expected, hasModel))
      }
    }
  })

  it("has the latest bars and the instruments of the feed beside it, after a restart as before", () => {
    const state = all.reduce(learner.evolve, learner.initial())
    const windows = all.reduce(evolveWindows, emptyWindows())
    expect(encodeWindows(state.windows)).toEqual(encodeWindows(windows))
    const again = restarted(learner, state)
    expect(again.windows).toEqual(state.windows)
    expect(again.windows.instruments).toEqual(instruments)
  })
})
