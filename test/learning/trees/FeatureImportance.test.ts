import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { importanceOf } from "../../../src/learning/trees/FeatureImportance.ts"
import { readXgboost } from "../../../src/learning/trees/XgboostFile.ts"
import { ensemble } from "./forests.ts"
import { featureNames, models } from "./xgboostModels.ts"

describe("importanceOf", () => {
  // Of a model that was cut at its best iteration XGBoost still counts all trees.
  const counted = models.filter(({ expected }) => expected.scores !== null)

  it.each(counted.map((one) => [one.name, one] as const))(
    "counts %s as XGBoost does",
    (_, { json, expected }) => {
      const importance = importanceOf(Either.getOrThrow(readXgboost(json)))
      for (const kind of ["weight", "gain", "cover"] as const) {
        for (const [feature, name] of featureNames.entries()) {
          const theirs = expected.scores?.[kind][name] ?? 0
          const ours = importance[kind][feature] as number
          expect(Math.abs(ours - theirs)).toBeLessThanOrEqual(1e-5 * Math.abs(theirs))
        }
      }
    }
  )

  it("is 0 where nothing is split", () => {
    const { weight, gain, cover } = importanceOf(ensemble([{ value: 1 }], { features: 2 }))
    expect([...weight, ...gain, ...cover]).toEqual([0, 0, 0, 0, 0, 0])
  })
})
