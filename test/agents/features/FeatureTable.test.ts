import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { makeFeatureTable } from "../../../src/agents/features/FeatureTable.ts"
import { absences, type FeatureValue } from "../../../src/market/features/FeatureValue.ts"
import { instrumentId } from "../../../src/protocols/Instrument.ts"

const schema = { version: 1, names: ["a", "b", "c"] }
const alpha = instrumentId("csv", "A.B/C", "spot")

const linesOf = (parts: ReadonlyArray<Uint8Array>): ReadonlyArray<ReadonlyArray<string>> =>
  Buffer.concat(parts)
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","))

const value: fc.Arbitrary<FeatureValue> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(...absences)
)
const vectors = fc.array(fc.tuple(value, value, value), { maxLength: 40 })

describe("a table of features", () => {
  it("says of every row what it is of, the numbers to the last digit, and why others are not there", () => {
    const table = makeFeatureTable(schema, true)
    table.add({ asOf: Date.UTC(2018, 10, 23, 18), values: [0.1 + 0.2, "undefined", -0] }, alpha)
    table.add({ asOf: Date.UTC(2018, 10, 26, 21), values: ["warming-up", "undefined", 1e-300] }, alpha)
    const { absent, from, parts, rows, to } = table.finish()
    expect(linesOf(parts).map((cells) => cells.join(","))).toEqual([
      "as_of,instrument,a,b,c,absent",
      "2018-11-23T18:00:00.000Z,csv:A.B/C:spot,0.30000000000000004,,0,b undefined",
      "2018-11-26T21:00:00.000Z,csv:A.B/C:spot,,,1e-300,a warming-up; b undefined"
    ])
    expect({ rows, from, to }).toEqual({
      rows: 2,
      from: Date.UTC(2018, 10, 23, 18),
      to: Date.UTC(2018, 10, 26, 21)
    })
    expect(absent).toEqual([
      { feature: "a", reason: "warming-up", rows: 1 },
      { feature: "b", reason: "undefined", rows: 2 }
    ])
  })

  it("has an empty cell and a reason wherever there is no number, and counts them", () => {
    fc.assert(
      fc.property(vectors, (all) => {
        const table = makeFeatureTable(schema, false)
        for (const [asOf, values] of all.entries()) table.add({ asOf, values })
        const { absent, from, parts, rows, to } = table.finish()
        const [header, ...lines] = linesOf(parts)
        expect(header).toEqual(["as_of", "a", "b", "c", "absent"])
        expect(rows).toBe(all.length)
        expect([from, to]).toEqual(all.length === 0 ? [null, null] : [0, all.length - 1])
        lines.forEach(([, ...cells], row) => {
          const reasons = cells.pop() as string
          all[row]?.forEach((one, k) => {
            expect(cells[k]).toBe(typeof one === "number" ? String(one) : "")
            expect(reasons.includes(`${schema.names[k]} `)).toBe(typeof one === "string")
          })
        })
        const missing = all.flat().filter((one) => typeof one === "string").length
        expect(absent.reduce((sum, { rows: count }) => sum + count, 0)).toBe(missing)
      })
    )
  })

  it("comes in parts, so that a long one is no single string", () => {
    const table = makeFeatureTable(schema, false)
    for (let asOf = 0; asOf < 3_500; asOf++) table.add({ asOf, values: [asOf, asOf, asOf] })
    const { parts } = table.finish()
    expect(parts.length).toBe(4)
    expect(
      linesOf(parts)
        .slice(1)
        .map((cells) => Number(cells[1]))
    ).toEqual(Array.from({ length: 3_500 }, (_, i) => i))
  })
})
