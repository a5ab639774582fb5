import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import { combinationCount, combinations } from "../../../src/learning/evaluation/Combinations.ts"
import {
  type CombinatorialPlan,
  combinatorialFold,
  combinatorialPlan
} from "../../../src/learning/evaluation/CombinatorialSplits.ts"
import type { LabelSpans } from "../../../src/learning/evaluation/LabelSpans.ts"
import { purgedKFold } from "../../../src/learning/evaluation/Splits.ts"
import { refusalOf } from "./refusals.ts"
import { expectApart, hourly, rises, spans } from "./spans.ts"

const planOf = (samples: number, groups: number, testGroups: number) =>
  Either.getOrThrow(combinatorialPlan(samples, { groups, testGroups }))

const foldsOf = (labels: LabelSpans, plan: CombinatorialPlan, embargoMs: number) =>
  plan.splits.flatMap((tested, split) =>
    Either.match(combinatorialFold(labels, plan, split, embargoMs), {
      onLeft: () => [],
      onRight: (fold) => [{ ...fold, tested }]
    })
  )

const sizes = fc
  .integer({ min: 2, max: 7 })
  .chain((groups) => fc.tuple(fc.constant(groups), fc.integer({ min: 1, max: groups - 1 })))

describe("combinations", () => {
  it("come once each, in order, as many as there are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 0, max: 11 }), (items, taken) => {
        const all = Array.from(combinations(items, taken), (chosen) => [...chosen])
        expect(all.length).toBe(combinationCount(items, taken))
        for (const [i, chosen] of all.entries()) {
          expect(new Set(chosen).size).toBe(taken)
          expect(chosen.every((item) => item >= 0 && item < items)).toBe(true)
          const before = all[i - 1]
          if (before === undefined) continue
          const differing = chosen.findIndex((item, place) => item !== before[place])
          expect(chosen[differing]).toBeGreaterThan(before[differing] as number)
        }
      })
    )
    expect(combinationCount(16, 8)).toBe(12_870)
    expect(combinationCount(52, 5)).toBe(2_598_960)
  })
})

describe("combinatorialPlan", () => {
  it("is the book's for six groups and two tested: 15 splits, 5 paths", () => {
    const plan = planOf(60, 6, 2)
    expect(plan.splits.length).toBe(15)
    expect(plan.paths.length).toBe(5)
    expect([...(plan.splits[0] as Uint32Array)]).toEqual([0, 1])
    // Figure 12.1 of the book: the first path is S1 (groups 1 and 2), S2, S3, S4, S5.
    expect([...(plan.paths[0] as Uint32Array)]).toEqual([0, 0, 1, 2, 3, 4])
  })

  it("has k / N * C(N, k) paths, each with every group once, and uses every tested group once", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 7, max: 40 }), ([groups, testGroups], samples) => {
        const { groups: ranges, paths, splits } = planOf(samples, groups, testGroups)
        expect(splits.length).toBe(combinationCount(groups, testGroups))
        expect(paths.length).toBe((testGroups * splits.length) / groups)
        const used = new Set<string>()
        for (const path of paths) {
          expect(path.length).toBe(groups)
          for (const [group, split] of path.entries()) {
            expect([...(splits[split] as Uint32Array)]).toContain(group)
            used.add(`${split} ${group}`)
          }
        }
        expect(used.size).toBe(splits.length * testGroups)
        expect(
          ranges.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, i) => first + i))
        ).toEqual(Array.from({ length: samples }, (_, i) => i))
        const lengths = ranges.map(({ first, end }) => end - first)
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1)
      })
    )
  })

  it("refuses what cannot be planned", () => {
    const refused = (samples: number, groups: number, testGroups: number) =>
      refusalOf(combinatorialPlan(samples, { groups, testGroups }))
    expect(refused(5, 6, 2)).toBe("5 samples cannot be split so: there are to be 6 groups.")
    expect(refused(1_000, 40, 20)).toContain("splits, and 10000 are allowed")
    expect(() => combinatorialPlan(10, { groups: 3, testGroups: 3 })).toThrow("test groups is 3 of 3")
    expect(() => combinatorialPlan(10, { groups: 1, testGroups: 1 })).toThrow("number of groups is 1")
  })
})

describe("combinatorialFold", () => {
  const embargo = fc.integer({ min: 0, max: 10 })

  it("trains on no label that touches a tested one, keeps the embargo, and tests its groups", () => {
    fc.assert(
      fc.property(spans, sizes, embargo, (labels, [groups, testGroups], embargoMs) => {
        const samples = labels.start.length
        fc.pre(samples >= groups)
        const plan = planOf(samples, groups, testGroups)
        for (const { test, tested, train } of foldsOf(labels, plan, embargoMs)) {
          const ranges = [...tested].map((group) => plan.groups[group] as { first: number; end: number })
          expect(test.length).toBe(ranges.reduce((sum, { first, end }) => sum + end - first, 0))
          expect(rises(train) && rises(test)).toBe(true)
          expectApart(labels, train, test)
          for (const { first, end } of ranges) {
            const lastEnd = Math.max(...Array.from(labels.end).slice(first, end))
            for (const i of train) {
              if (i >= end) expect(labels.start[i]).toBeGreaterThan(lastEnd + embargoMs)
            }
          }
        }
      })
    )
  })

  it("leaves out no more than it has to", () => {
    fc.assert(
      fc.property(spans, sizes, embargo, (labels, [groups, testGroups], embargoMs) => {
        const samples = labels.start.length
        fc.pre(samples >= groups)
        const plan = planOf(samples, groups, testGroups)
        for (const { test, train } of foldsOf(labels, plan, embargoMs)) {
          const kept = new Set([...train, ...test])
          for (let i = 0; i < samples; i++) {
            if (kept.has(i)) continue
            const [start, end] = [labels.start[i] as number, labels.end[i] as number]
            const isTooNear = [...test].some((j) =>
              j < i ? start <= (labels.end[j] as number) + embargoMs : end >= (labels.start[j] as number)
            )
            expect(isTooNear).toBe(true)
          }
        }
      })
    )
  })

  it("is k-fold where one group is tested at a time", () => {
    const labels = hourly(30, 2)
    const folds = Either.getOrThrow(purgedKFold(labels, { folds: 5, embargoMs: 3_600_000 }))
    const plan = planOf(30, 5, 1)
    expect(foldsOf(labels, plan, 3_600_000).map(({ test, train }) => ({ train, test }))).toEqual(folds)
  })

  it("refuses what cannot be split, and plans for other samples", () => {
    const plan = planOf(4, 4, 2)
    expect(refusalOf(combinatorialFold(hourly(4, 10), plan, 0, 0))).toContain(
      "after purging, nothing is left to train split 1 on"
    )
    expect(refusalOf(combinatorialFold({ start: [0, 1, 2, 3], end: [0, 1, 2, 2] }, plan, 0, 0))).toContain(
      "Row 4 is refused: end is 2, before its start 3"
    )
    expect(() => combinatorialFold(hourly(5, 1), plan, 0, 0)).toThrow("of 4 samples, not split 0 of 5")
    expect(() => combinatorialFold(hourly(4, 1), plan, 6, 0)).toThrow("has 6 splits")
    expect(() => combinatorialFold(hourly(4, 1), plan, 0, -1)).toThrow("embargo is -1 ms")
  })
})
