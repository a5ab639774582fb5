import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import * as fc from "fast-check"
import {
  advanced,
  type CarriedRows,
  checkRow,
  emptyRows,
  refilled,
  type TrmRow
} from "../../../src/learning/trm/CarriedRows.ts"
import { ignoredLabel } from "../../../src/learning/trm/TrmLoss.ts"
import { publishedTraining, type TrmTrainingSpec } from "../../../src/learning/trm/TrmTrainingSpec.ts"
import { features, tokens } from "./specs.ts"

const specWith = (changes: Partial<TrmTrainingSpec> = {}): TrmTrainingSpec => ({
  ...publishedTraining(tokens()),
  rows: 4,
  supervisionSteps: 5,
  exploration: 0,
  ...changes
})

const initial = { y: Float32Array.of(1, 2, 3, 4), z: Float32Array.of(5, 6, 7, 8) }

const rowAt = (number: number): TrmRow => ({
  inputs: [number % 5, (number + 1) % 5, 0],
  labels: [number % 5, ignoredLabel, 1]
})

const filled = (carried: CarriedRows, spec: TrmTrainingSpec): CarriedRows =>
  Either.getOrThrow(refilled(carried, spec.trm.task, initial, rowAt))

/** A supervision step that leaves the states as they are. */
const stepped = (carried: CarriedRows, halting: ReadonlyArray<number>, spec: TrmTrainingSpec, step: number) =>
  advanced(carried, { y: carried.y, z: carried.z, halting }, spec, step)

describe("carried rows", () => {
  it("begin with rows in all places, from the first states", () => {
    const spec = specWith()
    const carried = filled(emptyRows(spec), spec)
    expect(carried.taken).toBe(4)
    expect([...carried.inputs]).toEqual([0, 1, 0, 1, 2, 0, 2, 3, 0, 3, 4, 0])
    expect([...carried.labels.slice(0, 3)]).toEqual([0, ignoredLabel, 1])
    expect(carried.y.length).toBe(4 * 3 * 4)
    carried.y.forEach((value, i) => {
      expect(value).toBe(initial.y[i % 4])
      expect(carried.z[i]).toBe(initial.z[i % 4])
    })
    expect([...carried.halted, ...carried.steps]).toEqual(Array(8).fill(0))
  })

  it("halt where q is above 0, and give their places to the next ones alone", () => {
    const spec = specWith()
    const before = filled(emptyRows(spec), spec)
    const y = before.y.map((value) => value + 10)
    const after = advanced(before, { y, z: before.z, halting: [-1, 0.5, 0, 2] }, spec, 1)
    expect([...after.halted]).toEqual([0, 1, 0, 1])
    const next = filled(after, spec)
    expect(next.taken).toBe(6)
    expect([...next.steps]).toEqual([1, 0, 1, 0])
    expect([...next.inputs]).toEqual([0, 1, 0, 4, 0, 0, 2, 3, 0, 0, 1, 0])
    const stateOf = (row: number) => next.y[row * 12]
    expect([0, 1, 2, 3].map(stateOf)).toEqual([11, 1, 11, 1])
  })

  it("halt at the last step whatever q says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer(), (supervisionSteps, seed) => {
        const spec = specWith({ supervisionSteps, exploration: 1, seed })
        let carried = filled(emptyRows(spec), spec)
        for (let step = 1; step <= supervisionSteps; step++) {
          carried = stepped(carried, [-9, -9, -9, -9], spec, step)
          expect([...carried.halted]).toEqual(Array(4).fill(step === supervisionSteps ? 1 : 0))
        }
      })
    )
  })

  it("do not halt while they explore before a random number of steps from 2 to the last", () => {
    const supervisionSteps = 5
    const spec = specWith({ supervisionSteps, exploration: 1, rows: 2_000 })
    const at = (steps: number) => {
      const carried = { ...filled(emptyRows(spec), spec), steps: new Int32Array(2_000).fill(steps - 1) }
      const { halted } = stepped(carried, Array<number>(2_000).fill(1), spec, 7)
      return halted.reduce((sum, is) => sum + is, 0) / 2_000
    }
    // The least is uniform over 2, 3, 4, 5.
    expect([1, 2, 3, 4, 5].map((steps) => Math.round(at(steps) * 20) / 20)).toEqual([0, 0.25, 0.5, 0.75, 1])
  })

  it("explore with the probability asked for, by the seed and the step alone", () => {
    const spec = specWith({ exploration: 0.1, rows: 5_000 })
    const halted = (step: number, seed = 1) => {
      const own = { ...spec, seed }
      return stepped(filled(emptyRows(own), own), Array<number>(5_000).fill(1), own, step).halted
    }
    const share = halted(1).reduce((sum, is) => sum + is, 0) / 5_000
    expect(share).toBeGreaterThan(0.88)
    expect(share).toBeLessThan(0.92)
    expect(halted(1)).toEqual(halted(1))
    expect(halted(1)).not.toEqual(halted(2))
    expect(halted(1)).not.toEqual(halted(1, 2))
  })

  it("refuse rows that do not fit, and are left as they were", () => {
    const { task } = tokens()
    const refusal = (row: TrmRow, of = task) => Either.flip(checkRow(of, row, 7)).pipe(Either.getOrThrow)
    expect(refusal({ inputs: [0, 5, 0], labels: [0, 0, 0] })).toMatchObject({ row: 7, column: "input 1" })
    expect(refusal({ inputs: [0, 0.5, 0], labels: [0, 0, 0] })).toMatchObject({ column: "input 1" })
    expect(refusal({ inputs: [0, 1, 0], labels: [0, 0, -1] })).toMatchObject({ column: "label 2" })
    expect(refusal({ inputs: [0, 1], labels: [0, 0, 1] })).toMatchObject({ column: "inputs" })
    expect(refusal({ inputs: [0, 1, 1], labels: [0] })).toMatchObject({ column: "labels" })
    const { task: other } = features()
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
      expect(refusal({ inputs: [0, value, 0], labels: [0] }, other)).toMatchObject({ column: "input 1" })
    }
    expect(Either.isRight(checkRow(other, { inputs: [0.5, -1, 0], labels: [3] }, 0))).toBe(true)

    const spec = specWith()
    const empty = emptyRows(spec)
    const wrong = refilled(empty, spec.trm.task, initial, (number) =>
      number === 2 ? { inputs: [9, 9, 9], labels: [0, 0, 0] } : rowAt(number)
    )
    expect(Either.flip(wrong).pipe(Either.getOrThrow)).toMatchObject({ row: 2, column: "input 0" })
    expect(empty).toEqual(emptyRows(spec))
  })
})
