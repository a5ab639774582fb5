import { describe, expect, it } from "@effect/vitest"
import { runThrough } from "../../../src/learning/steps.ts"
import { softmaxInPlace } from "../../../src/learning/text/LogisticRegression.ts"
import { fitTemperature, meanLossOf } from "../../../src/learning/text/Temperature.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const classes = 3

/** Logits, and labels drawn from their softmax. */
const drawn = (rows: number) => {
  const random = keyedRandom("temperature")
  const logits = Float64Array.from({ length: rows * classes }, () => 1.5 * random.normal())
  const labels = Array.from({ length: rows }, (_, i) => {
    const shares = logits.slice(i * classes, (i + 1) * classes)
    softmaxInPlace(shares)
    const at = random.next()
    return at < (shares[0] as number) ? 0 : at < (shares[0] as number) + (shares[1] as number) ? 1 : 2
  })
  return { logits, labels }
}

describe("a temperature", () => {
  it("undoes a factor that the logits were multiplied by", () => {
    const { labels, logits } = drawn(4_000)
    for (const factor of [0.5, 1, 3]) {
      const heated = logits.map((logit) => factor * logit)
      const fitted = runThrough(fitTemperature(heated, labels, classes))
      expect(fitted / factor).toBeGreaterThan(0.92)
      expect(fitted / factor).toBeLessThan(1.08)
    }
  })

  it("has the least log loss", () => {
    const { labels, logits } = drawn(200)
    const best = runThrough(fitTemperature(logits, labels, classes))
    const loss = (temperature: number) => runThrough(meanLossOf(logits, labels, classes, 1 / temperature))
    for (const other of [best * 0.9, best * 1.1]) expect(loss(best)).toBeLessThanOrEqual(loss(other))
  })

  it("stays within bounds where all are right", () => {
    const certain = fitTemperature(Float64Array.of(1, 0, 0, 0, 1, 0), [0, 1], classes)
    expect(runThrough(certain)).toBeCloseTo(0.2, 6)
  })

  it("lets others run while many rows are gone through", () => {
    const stepsOf = (rows: number) => {
      const { labels, logits } = drawn(rows)
      return [...fitTemperature(logits, labels, classes)].length
    }
    // Each of its losses is a step, and one more for every 5,000 rows.
    expect(stepsOf(10_000)).toBe(3 * stepsOf(100))
    expect(stepsOf(100)).toBeGreaterThan(40)
  })
})
