import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import { runThrough } from "../../../src/learning/steps.ts"
import { judge, judgeFold, outerFolds } from "../../../src/learning/text/crossValidate.ts"
import type { LabelledText } from "../../../src/learning/text/SentenceClassifier.ts"
import { blockChoices, penalties, selectClassifier } from "../../../src/learning/text/selectClassifier.ts"
import { makeSentences, textOf } from "./sentences.ts"

const text = textOf(makeSentences(90))
const seed = 5

describe("a nested cross-validation", () => {
  const folds = Either.getOrThrow(outerFolds(text, 3, seed))

  it("judges every sentence once, by a classifier that has learned something", () => {
    const results = [0, 1, 2].map((fold) => Either.getOrThrow(runThrough(judgeFold(text, folds, fold, seed))))
    expect(results.flatMap(({ rows }) => [...rows]).sort((a, b) => a - b)).toEqual([...folds.keys()])
    const judged = Either.getOrThrow(judge(text, results))
    expect(judged.rows).toBe(90)
    expect(judged.accuracy).toBeGreaterThan(0.8)
    expect(judged.confusion.reduce((sum, count) => sum + count, 0)).toBe(90)
    expect(results[0]?.selected.tried).toHaveLength(blockChoices.length * penalties.length)
  }, 60_000)

  it("chooses and fits to the same bits whatever the words of what it judges", () => {
    const others = makeSentences(90, 9)
    const changed = textOf(
      makeSentences(90).map((made, row) => (folds[row] === 0 ? (others[row] ?? made) : made))
    )
    const selectedOf = (of: LabelledText) =>
      Either.getOrThrow(runThrough(judgeFold(of, folds, 0, seed))).selected
    expect(selectedOf(changed)).toEqual(selectedOf(text))
  }, 60_000)

  it("chooses and fits without the labels of what it judges", () => {
    const result = Either.getOrThrow(runThrough(judgeFold(text, folds, 0, seed)))
    // Every test sentence gets another label: nothing of what was said may change.
    const labels = text.labels.map((label, row) => (folds[row] === 0 ? (label + 1) % 3 : label))
    const other = Either.getOrThrow(runThrough(judgeFold({ ...text, labels }, folds, 0, seed)))
    expect(other).toEqual(result)
  }, 60_000)

  it("finds nothing in labels that were dealt at random", () => {
    const labels = text.labels.map((_, row) => (row * 7 + Math.floor(row / 3)) % 3)
    const random = { ...text, labels }
    const own = Either.getOrThrow(outerFolds(random, 3, seed))
    const results = [0, 1, 2].map((fold) => Either.getOrThrow(runThrough(judgeFold(random, own, fold, seed))))
    expect(Either.getOrThrow(judge(random, results)).accuracy).toBeLessThan(0.55)
  }, 60_000)
})

describe("the choice of a classifier", () => {
  it("is refused where a class has too few sentences", () => {
    const few = textOf(makeSentences(5))
    const chosen = runThrough(selectClassifier(few, Int32Array.of(0, 1, 2, 3, 4), ["few"]))
    expect(Either.getOrThrow(Either.flip(chosen)).message).toContain("3 folds need one each")
  })
})
