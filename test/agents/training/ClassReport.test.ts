import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { type ClassForecasts, frequentName, judgeClasses } from "../../../src/agents/training/ClassReport.ts"
import { classCells } from "../../../src/cli/report/comparisons.ts"
import { runThrough } from "../../../src/learning/steps.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

const names = ["a", "b", "c"]
const judge = (probabilities: ReadonlyArray<number>, labels: ReadonlyArray<number>, counts = [10, 5, 0]) => {
  const forecasts: ClassForecasts = { model: "cnn", names, probabilities, counts }
  return Either.getOrThrow(
    runThrough(judgeClasses(forecasts, Uint8Array.from(labels), { overlap: 1, seed: 1 }))
  )
}
const sure = (predicted: ReadonlyArray<number>) =>
  predicted.flatMap((k) => names.map((_, i) => (i === k ? 1 : 0)))

describe("the judgement of a classifier", () => {
  it("counts of each class how often it was said, right, and missed", () => {
    const { classes, errors } = judge(sure([0, 0, 1, 1, 0]), [0, 1, 1, 1, 0])
    expect(classes).toEqual([
      { name: "a", rows: 2, precision: 2 / 3, recall: 1, f1: 4 / 5 },
      { name: "b", rows: 3, precision: 1, recall: 2 / 3, f1: 4 / 5 },
      { name: "c", rows: 0, precision: null, recall: null, f1: null }
    ])
    expect(errors.rows.map(({ metrics }) => metrics[0])).toEqual([
      { name: "class-accuracy", value: 2 / 5 },
      { name: "class-accuracy", value: 4 / 5 }
    ])
    expect(classCells({ classes, errors })).toEqual([
      ["class", "rows", "precision", "recall", "F1"],
      ["a", "2", "0.667", "1.000", "0.800"],
      ["b", "3", "1.000", "0.667", "0.800"],
      ["c", "0", "-", "-", "-"]
    ])
  })

  it("finds one better that is, beside always saying what was the most frequent, and no other", () => {
    const random = keyedRandom("class report")
    const labels = Array.from({ length: 800 }, () => (random.next() < 0.6 ? 0 : 1 + random.int(2)))
    const verdict = (predicted: ReadonlyArray<number>) => {
      const { errors } = judge(sure(predicted), labels)
      expect(errors.baseline).toBe(frequentName)
      return errors.rows[1]?.verdict
    }
    expect(verdict(labels.map((label) => (random.next() < 0.7 ? label : 0)))).toBe("beats the baseline")
    expect(verdict(labels.map(() => random.int(3)))).toBe("loses to the baseline")
    expect(verdict(labels.map(() => (random.next() < 0.98 ? 0 : 1)))).not.toBe("beats the baseline")
  })
})
