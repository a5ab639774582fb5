import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import {
  dueModel,
  hasSchedule,
  paceMsMin,
  type TrainingSchedule
} from "../../../src/agents/deep-learning/schedule.ts"
import type { NetworkModel } from "../../../src/protocols/Prediction.ts"

const frameMs = 60_000
const schedule: TrainingSchedule<NetworkModel> = {
  models: ["lstm", "cnn", "dlinear"],
  everyBars: 100,
  barsMin: 500
}
const asOf = 1_700_000_000_000
const bars = { seen: 500, asOf, frameMs }

/** Bars ago, by network; one that is not there was never trained. */
type Ago = { readonly [Model in NetworkModel]?: number | undefined }
const lastOf = (ago: Ago) => (model: NetworkModel) => {
  const since = ago[model]
  return since === undefined ? undefined : asOf - since * frameMs
}
const due = (ago: Ago, changes: Partial<TrainingSchedule<NetworkModel>> = {}) =>
  dueModel({ ...schedule, ...changes }, bars, lastOf(ago))

describe("the network that is due", () => {
  it("is none before there are bars enough, and the first of the list then", () => {
    expect(dueModel(schedule, { ...bars, seen: 499 }, lastOf({}))).toBeUndefined()
    expect(due({})).toBe("lstm")
  })

  it("is one that was never trained before one that was, in the order of the list", () => {
    expect(due({ lstm: 10_000 })).toBe("cnn")
    expect(due({ lstm: 10_000, cnn: 0 })).toBe("dlinear")
  })

  it("is the one whose last training is the longest ago, if that is as long as configured", () => {
    expect(due({ lstm: 100, cnn: 150, dlinear: 120 })).toBe("cnn")
    expect(due({ lstm: 100, cnn: 99, dlinear: 99 })).toBe("lstm")
    expect(due({ lstm: 99, cnn: 99, dlinear: 99 })).toBeUndefined()
  })

  it("is the first of the list where two were trained at the same time, and none of an empty list", () => {
    expect(due({ lstm: 120, cnn: 120, dlinear: 120 })).toBe("lstm")
    expect(due({}, { models: [] })).toBeUndefined()
  })

  it("never is one that was trained less than the interval ago, nor younger than another that is due", () => {
    const ago = fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined })
    fc.assert(
      fc.property(fc.record({ lstm: ago, cnn: ago, dlinear: ago }), (given) => {
        const found = due(given)
        const ages = schedule.models.map((model) => given[model as keyof typeof given] ?? Infinity)
        const oldest = Math.max(...ages)
        if (oldest < schedule.everyBars) expect(found).toBeUndefined()
        else expect(found).toBe(schedule.models[ages.indexOf(oldest)])
      })
    )
  })
})

describe("scheduled work", () => {
  it("is there in paced runs that leave time for it, in any run that asks for it, and never where it is off", () => {
    const paces = [null, 1, paceMsMin - 1, paceMsMin, 1_000]
    const of = (train: "auto" | "always" | "never") => paces.map((paceMs) => hasSchedule(train, paceMs))
    expect(of("auto")).toEqual([false, false, false, true, true])
    expect(of("always")).toEqual([true, true, true, true, true])
    expect(of("never")).toEqual([false, false, false, false, false])
  })
})
