/** Label spans to split, and what must hold of a split. */
import { expect } from "@effect/vitest"
import fc from "fast-check"
import type { LabelSpans } from "../../../src/learning/evaluation/LabelSpans.ts"

/** Starts that never fall, often equal; labels of all lengths, also none. */
export const spans = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 12 })), {
    minLength: 2,
    maxLength: 60
  })
  .map((drawn): LabelSpans => {
    let at = 1_000
    const start = drawn.map(([gap]) => (at += gap))
    return { start, end: start.map((from, i) => from + (drawn[i]?.[1] as number)) }
  })

export const hourly = (samples: number, hours: number): LabelSpans => {
  const start = Array.from({ length: samples }, (_, i) => i * 3_600_000)
  return { start, end: start.map((from) => from + hours * 3_600_000) }
}

export const touches = ({ start, end }: LabelSpans, i: number, j: number) =>
  (start[i] as number) <= (end[j] as number) && (start[j] as number) <= (end[i] as number)

export const rises = (indices: Uint32Array) =>
  indices.every((index, i) => i === 0 || index > (indices[i - 1] as number))

export const expectApart = (labels: LabelSpans, trained: Uint32Array, judged: Uint32Array) => {
  for (const i of trained) for (const j of judged) expect(touches(labels, i, j)).toBe(false)
}
