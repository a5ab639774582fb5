import { describe, expect, it } from "@effect/vitest"
import { interpret } from "../../../src/learning/graph/interpret.ts"
import type { NdArray } from "../../../src/learning/graph/NdArray.ts"
import * as ops from "../../../src/learning/graph/ops.ts"
import { rmsNorm } from "../../../src/learning/layers/rmsNorm.ts"
import { checkGradients, randomArray, weighted } from "../graph/check.ts"

describe("rmsNorm", () => {
  const x = ops.input("x", [2, 3, 5])

  it("divides by the root of the mean square and epsilon", () => {
    const epsilon = 0.25
    const given = randomArray("x", [2, 3, 5])
    const [result] = interpret([rmsNorm(x, epsilon)], new Map([[x, given]])) as [NdArray]
    for (let row = 0; row < 6; row++) {
      const values = given.data.slice(row * 5, (row + 1) * 5)
      const root = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / 5 + epsilon)
      values.forEach((value, i) => {
        expect(result.data[row * 5 + i]).toBeCloseTo(value / root, 12)
      })
    }
  })

  it("has the gradient of that", () => {
    checkGradients(weighted(rmsNorm(x)), new Map([[x, randomArray("x", [2, 3, 5])]]))
  })
})
