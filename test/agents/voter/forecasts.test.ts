import { describe, expect, it } from "@effect/vitest"
import {
  describeLoss,
  type Forecast,
  forecastOf,
  judge,
  metricsOf
} from "../../../src/agents/voter/forecasts.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

/** Scores that say something of the return: its correlation with the score is `skill`. */
const forecasts = (count: number, skill: number, key = "forecasts"): ReadonlyArray<Forecast> => {
  const random = keyedRandom(key, skill)
  return Array.from({ length: count }, () => {
    const score = random.normal()
    const z = skill * score + Math.sqrt(1 - skill ** 2) * random.normal()
    return forecastOf(score, 0.01 * z, 0.01, 0.004)
  })
}

const judgedOf = (all: ReadonlyArray<Forecast>) => runThrough(judge(all))

describe("forecasts", () => {
  it("hold what came of a score in units of the volatility known then", () => {
    expect(forecastOf(0.3, 0.02, 0.01, 0.005)).toEqual({
      score: 0.3,
      logBandRatio: Math.log(0.5),
      label: 2,
      z: 2
    })
    expect(forecastOf(0.3, -0.02, 0.01, 0.005).label).toBe(0)
    expect(forecastOf(0.3, 0.005, 0.01, 0.005).label).toBe(1)
  })

  it("make no calibrator while they are too few", () => {
    expect(judgedOf([])).toBeUndefined()
    expect(judgedOf(forecasts(5, 0.5))).toBeUndefined()
  })

  it("are judged on the latest third, which the judged calibrator has not seen", () => {
    const all = forecasts(600, 0.6)
    const judged = judgedOf(all)
    expect(judged?.heldOut).toBe(200)
    // What is fitted to all of them knows more than what was judged: turning the last third around shows in both.
    const turned = judgedOf(all.map((one, i) => (i < 400 ? one : { ...one, score: -one.score })))
    expect(turned?.loss).toBeGreaterThan((judged?.loss ?? 0) + 0.2)
    expect(turned?.baseLoss).toBe(judged?.baseLoss)
    expect(turned?.calibrator).not.toEqual(judged?.calibrator)
  })

  it("beat the base rate where the score knows something, and do not where it knows nothing", () => {
    const skilled = judgedOf(forecasts(1_500, 0.5))
    expect((skilled?.baseLoss ?? 0) - (skilled?.loss ?? 0)).toBeGreaterThan(0.05)
    const blind = judgedOf(forecasts(1_500, 0))
    expect((blind?.baseLoss ?? 0) - (blind?.loss ?? 0)).toBeLessThan(0.01)
  })

  it("are reported by the names that the registry looks for", () => {
    const judged = judgedOf(forecasts(600, 0.5))
    if (judged === undefined) throw new Error("not judged")
    expect(metricsOf(judged)).toEqual([
      { name: "log-loss", value: judged.loss },
      { name: "base-log-loss", value: judged.baseLoss },
      { name: "held-out", value: 200 }
    ])
    expect(describeLoss(judged)).toBe(
      `log loss ${judged.loss.toFixed(4)} against ${judged.baseLoss.toFixed(4)} of the base rate`
    )
  })
})
