import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { decodeRows, encodeRows } from "../../../src/agents/streams/floatRows.ts"

describe("rows of numbers", () => {
  it("come back as they were, whatever the numbers", () => {
    const row = fc.record({ a: fc.double(), b: fc.double() })
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const text = encodeRows(rows, ({ a, b }) => [a, b])
        expect(decodeRows(text, 2, (at) => ({ a: at(0), b: at(1) }))).toEqual(rows)
      })
    )
  })
})
