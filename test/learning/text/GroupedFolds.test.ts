import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import { groupedFolds, partedBy } from "../../../src/learning/text/GroupedFolds.ts"

const rows = fc.array(fc.record({ group: fc.nat(60), label: fc.nat(2) }), { minLength: 30, maxLength: 200 })

describe("grouped folds", () => {
  it("keep a group whole and spread the classes evenly, the same for the same key", () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 2, max: 6 }), fc.nat(), (made, folds, seed) => {
        // A group has one label here, so that spreading groups spreads classes.
        const groups = made.map(({ group, label }) => `${label}/${group}`)
        const labels = made.map(({ label }) => label)
        const dealt = groupedFolds(groups, labels, { folds, key: [seed] })
        const perClass = [0, 1, 2].map((label) => new Set(groups.filter((_, i) => labels[i] === label)).size)
        if (perClass.some((count) => count > 0 && count < folds)) {
          expect(Either.isLeft(dealt)).toBe(true)
          return
        }
        const foldOf = Either.getOrThrow(dealt)
        expect(groupedFolds(groups, labels, { folds, key: [seed] })).toEqual(dealt)
        const foldOfGroup = new Map<string, number>()
        groups.forEach((group, i) => {
          expect(foldOfGroup.get(group) ?? foldOf[i]).toBe(foldOf[i])
          foldOfGroup.set(group, foldOf[i] as number)
        })
        for (const label of [0, 1, 2]) {
          const counts = new Array<number>(folds).fill(0)
          for (const [group, fold] of foldOfGroup) {
            if (group.startsWith(`${label}/`)) counts[fold] = (counts[fold] as number) + 1
          }
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        }
      })
    )
  })

  it("part rows into those of a fold and the others", () => {
    const foldOf = Int32Array.of(0, 1, 0, 2)
    expect(partedBy([5, 6, 7, 8], foldOf, 0)).toEqual({
      train: Int32Array.of(6, 8),
      test: Int32Array.of(5, 7)
    })
  })
})
