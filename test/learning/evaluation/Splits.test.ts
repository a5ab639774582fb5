import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { LabelSpans } from "../../../src/learning/evaluation/LabelSpans.ts"
import {
  type Fold,
  purgedKFold,
  rangesByShare,
  timeOrderedSplit,
  walkForward
} from "../../../src/learning/evaluation/Splits.ts"
import { refusalOf } from "./refusals.ts"
import { expectApart, hourly, rises, spans, touches } from "./spans.ts"

const embargo = fc.integer({ min: 0, max: 10 })

/** All that training may use before a test: the label over, and the embargo with it, when the first one begins. */
const expectOlder = (labels: LabelSpans, trained: Uint32Array, judged: Uint32Array, embargoMs: number) => {
  for (const i of trained) {
    expect((labels.end[i] as number) + embargoMs).toBeLessThan(labels.start[judged[0] as number] as number)
  }
}

const foldsOf = (result: Either.Either<ReadonlyArray<Fold>, Error>): ReadonlyArray<Fold> =>
  Either.getOrElse(result, () => [])

describe("purgedKFold", () => {
  it("trains on no label that touches a tested one, keeps the embargo, tests every sample once, in order", () => {
    fc.assert(
      fc.property(spans, fc.integer({ min: 2, max: 8 }), embargo, (labels, folds, embargoMs) => {
        const made = foldsOf(purgedKFold(labels, { folds, embargoMs }))
        fc.pre(made.length > 0)
        expect(made.flatMap(({ test }) => [...test])).toEqual(Array.from(labels.start, (_, i) => i))
        for (const { test, train } of made) {
          expectApart(labels, train, test)
          expect(rises(train) && rises(test)).toBe(true)
          const lastEnd = Math.max(...Array.from(test, (i) => labels.end[i] as number))
          for (const i of train) {
            if (i > (test.at(-1) as number)) expect(labels.start[i]).toBeGreaterThan(lastEnd + embargoMs)
          }
        }
        const sizes = made.map(({ test }) => test.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      })
    )
  })

  it("leaves out no more than it has to", () => {
    fc.assert(
      fc.property(spans, fc.integer({ min: 2, max: 8 }), embargo, (labels, folds, embargoMs) => {
        for (const { test, train } of foldsOf(purgedKFold(labels, { folds, embargoMs }))) {
          const lastEnd = Math.max(...Array.from(test, (i) => labels.end[i] as number))
          const kept = new Set(train)
          for (let i = 0; i < labels.start.length; i++) {
            if (kept.has(i) || test.includes(i)) continue
            const embargoed =
              i > (test.at(-1) as number) && (labels.start[i] as number) <= lastEnd + embargoMs
            expect(embargoed || test.some((j) => touches(labels, i, j))).toBe(true)
          }
        }
      })
    )
  })

  it("does what the book draws: purges on both sides and waits out the embargo after", () => {
    const [, second] = Either.getOrThrow(purgedKFold(hourly(30, 2), { folds: 3, embargoMs: 3 * 3_600_000 }))
    expect([...(second as Fold).test]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    // Labels of 8 and 9 reach into hour 10; the last test label ends in hour 21, and three hours follow.
    expect([...(second as Fold).train]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 25, 26, 27, 28, 29])
  })

  it("refuses what cannot be split", () => {
    const refused = (labels: LabelSpans, folds = 2) => refusalOf(purgedKFold(labels, { folds, embargoMs: 0 }))
    expect(refused({ start: [1, 0], end: [2, 2] })).toContain(
      "Row 2 is refused: start is 0, before that of the row"
    )
    expect(refused({ start: [1, 2], end: [2, 1] })).toContain(
      "Row 2 is refused: end is 1, before its start 2"
    )
    expect(refused({ start: [1, Number.NaN], end: [2, 3] })).toContain("start is NaN")
    expect(refused({ start: [1, 2], end: [2] })).toContain("end has 1 numbers, not 2")
    expect(refused(hourly(3, 0), 4)).toBe("3 samples cannot be split so: there are to be 4 folds.")
    expect(refused(hourly(4, 10))).toContain("after purging, nothing is left to train fold 1 on")
    expect(() => purgedKFold(hourly(9, 1), { folds: 1, embargoMs: 0 })).toThrow("number of folds is 1")
    expect(() => purgedKFold(hourly(9, 1), { folds: 2, embargoMs: -1 })).toThrow("embargo is -1 ms")
  })
})

describe("walkForward", () => {
  const options = fc.record({
    trainLength: fc.integer({ min: 1, max: 20 }),
    testLength: fc.integer({ min: 1, max: 10 }),
    window: fc.constantFrom("expanding" as const, "rolling" as const),
    embargoMs: embargo
  })

  it("trains on what was over, embargo included, tests every later sample once, in order", () => {
    fc.assert(
      fc.property(spans, options, (labels, chosen) => {
        const made = foldsOf(walkForward(labels, chosen))
        fc.pre(made.length > 0)
        const tested = made.flatMap(({ test }) => [...test])
        expect(tested).toEqual(
          Array.from({ length: labels.start.length - chosen.trainLength }, (_, i) => i + chosen.trainLength)
        )
        for (const { test, train } of made) {
          expectApart(labels, train, test)
          expectOlder(labels, train, test, chosen.embargoMs)
          expect(rises(train) && rises(test)).toBe(true)
          expect(train.length).toBeGreaterThan(0)
        }
      })
    )
  })

  it("grows its training or moves it on", () => {
    const walk = (window: "expanding" | "rolling") =>
      Either.getOrThrow(
        walkForward(hourly(10, 0), { trainLength: 4, testLength: 3, window, embargoMs: 0 })
      ).map(({ test, train }) => [[...train], [...test]])
    expect(walk("expanding")).toEqual([
      [
        [0, 1, 2, 3],
        [4, 5, 6]
      ],
      [
        [0, 1, 2, 3, 4, 5, 6],
        [7, 8, 9]
      ]
    ])
    expect(walk("rolling")).toEqual([
      [
        [0, 1, 2, 3],
        [4, 5, 6]
      ],
      [
        [3, 4, 5, 6],
        [7, 8, 9]
      ]
    ])
    const last = Either.getOrThrow(
      walkForward(hourly(11, 0), { trainLength: 4, testLength: 3, window: "rolling", embargoMs: 0 })
    ).at(-1)
    expect([...(last as Fold).test]).toEqual([10])
  })

  it("refuses what leaves nothing to train on or to test", () => {
    const chosen = { trainLength: 3, testLength: 2, window: "rolling" as const, embargoMs: 0 }
    expect(refusalOf(walkForward(hourly(3, 0), chosen))).toContain("3 are to train before the first test")
    expect(refusalOf(walkForward(hourly(9, 3), chosen))).toContain("nothing is left to train fold 1 on")
    expect(() => walkForward(hourly(9, 0), { ...chosen, testLength: 0 })).toThrow("test length is 0")
    expect(() => walkForward(hourly(9, 0), { ...chosen, trainLength: 0.5 })).toThrow("training length is 0.5")
  })
})

describe("timeOrderedSplit", () => {
  const shares = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }))
    .filter(([train, test]) => train + test <= 10)
    .map(([train, test]) => ({ train: train / 10, test: test / 10 }))

  it("lets no label of an earlier part touch a later part, embargo included, and keeps the order", () => {
    fc.assert(
      fc.property(spans, shares, embargo, (labels, share, embargoMs) => {
        const result = timeOrderedSplit(labels, { ...share, embargoMs })
        fc.pre(Either.isRight(result))
        const { test, train, validation } = Either.getOrThrow(result)
        for (const [earlier, later] of [
          [train, validation],
          [train, test],
          [validation, test]
        ] as const) {
          expectApart(labels, earlier, later)
          if (later.length > 0) expectOlder(labels, earlier, later, embargoMs)
        }
        expect(rises(Uint32Array.of(...train, ...validation, ...test))).toBe(true)
        expect(test.at(-1)).toBe(labels.start.length - 1)
      })
    )
  })

  it("counts its parts as the published forecasting code does", () => {
    expect(rangesByShare(7_588, { train: 0.7, test: 0.2 })).toEqual({
      train: { first: 0, end: 5_311 },
      validation: { first: 5_311, end: 6_071 },
      test: { first: 6_071, end: 7_588 }
    })
    const { test, train, validation } = Either.getOrThrow(
      timeOrderedSplit(hourly(100, 0), { train: 0.7, test: 0.2, embargoMs: 0 })
    )
    expect([train.length, validation.length, test.length]).toEqual([70, 10, 20])
  })

  it("does without validation where there is to be none", () => {
    const { test, train, validation } = Either.getOrThrow(
      timeOrderedSplit(hourly(10, 1), { train: 0.5, test: 0.5, embargoMs: 0 })
    )
    expect([[...train], [...validation], [...test]]).toEqual([[0, 1, 2, 3], [], [5, 6, 7, 8, 9]])
  })

  it("refuses to leave a part empty", () => {
    const split = (samples: number, hours: number) =>
      refusalOf(timeOrderedSplit(hourly(samples, hours), { train: 0.6, test: 0.2, embargoMs: 0 }))
    expect(split(10, 6)).toContain("nothing is left for training")
    expect(split(10, 2)).toContain("nothing is left for validation")
    expect(split(4, 0)).toContain("nothing is left for test")
    expect(() => timeOrderedSplit(hourly(9, 1), { train: 0.9, test: 0.2, embargoMs: 0 })).toThrow(
      "shares are 0.9"
    )
  })
})
