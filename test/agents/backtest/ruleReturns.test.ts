import { describe, expect, it } from "@effect/vitest"
import { bestOn, followed, type RuleReturns, sharpeOn } from "../../../src/agents/backtest/ruleReturns.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const rules = 2
/** Of four samples: the first rule is long all along, the second short from sample 1 on. */
const all: RuleReturns = {
  rules,
  returns: Float64Array.of(0.01, 0, 0.02, -0.02, -0.01, 0.01, 0.03, -0.03),
  held: Int8Array.of(1, 0, 1, -1, 1, -1, 1, -1),
  oneWay: 0.001
}
const samples = (...of: ReadonlyArray<number>) => Uint32Array.from(of)
const follow = (...stretches: Parameters<typeof followed>[1]) =>
  Array.from(runThrough(followed(all, stretches)))
const paying = (value: number, traded: number) => (1 + value) * (1 - traded * all.oneWay) - 1

describe("following rules one after the other", () => {
  it("pays for what they hold apart: to go in, and to turn from one to the other", () => {
    expect(follow({ rule: 0, samples: samples(0, 1) }, { rule: 1, samples: samples(2, 3) })).toEqual([
      paying(0.01, 1),
      0.02,
      paying(0.01, 2),
      -0.03
    ])
  })

  it("pays nothing to stay with a rule, nor to begin with one that holds nothing", () => {
    expect(follow({ rule: 0, samples: samples(0, 1) }, { rule: 0, samples: samples(2, 3) })).toEqual([
      paying(0.01, 1),
      0.02,
      -0.01,
      0.03
    ])
    expect(follow({ rule: 1, samples: samples(0, 1) })).toEqual([0, -0.02])
    expect(follow()).toEqual([])
  })
})

describe("the Sharpe ratio of a rule", () => {
  it("is that of its samples however many slices they are walked in", () => {
    const random = keyedRandom("rule returns")
    const count = 120_000
    const many = {
      ...all,
      returns: Float64Array.from({ length: count * rules }, () => 0.01 * random.normal())
    }
    const chosen = Uint32Array.from({ length: count }, (_, i) => i)
    const values = Array.from(chosen, (i) => many.returns[i * rules + 1] as number)
    const mean = values.reduce((sum, value) => sum + value, 0) / count
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1))
    expect(runThrough(sharpeOn(many, 1, chosen))).toBeCloseTo(mean / deviation, 10)
    let slices = 1
    for (const steps = sharpeOn(many, 1, chosen); steps.next().done !== true; ) slices++
    expect(slices).toBe(3)
  })

  it("is 0 of a rule that earns the same in every sample, which is then not the best", () => {
    const constant = { ...all, returns: Float64Array.of(0.5, 0.01, 0.5, 0.02, 0.5, 0.01, 0.5, 0.02) }
    expect(runThrough(sharpeOn(constant, 0, samples(0, 1, 2, 3)))).toBe(0)
    expect(runThrough(bestOn(constant, samples(0, 1, 2, 3)))).toBe(1)
  })
})
