import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import fc from "fast-check"
import {
  isInputHeader,
  parseInputTable,
  readHeader,
  readTableText
} from "../../../src/agents/training/InputTable.ts"
import { temporaryDirectory } from "../../support/directory.ts"

const names = ["a", "b"]
const parsed = (text: string) => Either.getOrThrow(parseInputTable("t.csv", text, names))
const refusal = (text: string) =>
  Either.getOrThrow(Either.flip(parseInputTable("t.csv", text, names))).message

describe("a table of features", () => {
  it("is read by the names of its columns, in any order, beside others", () => {
    const table = parsed("\ufeffwhen,band,b,a,sigma\r\nmonday,0.5,2,1,0.25\r\n\r\ntuesday,1,4e-3,-.5,2\r\n")
    expect(table.rows).toBe(2)
    expect([...table.features]).toEqual([1, 2, -0.5, Math.fround(0.004)])
    expect([...table.sigma]).toEqual([0.25, 2])
    expect([...table.band]).toEqual([0.5, 1])
    expect(parsed("a;b;sigma;band\n1;2;3;4").rows).toBe(1)
  })

  it("is refused where its shape is another than the model's", () => {
    expect(refusal("a,sigma,band\n1,2,3")).toBe(
      "The table t.csv cannot be used: it lacks 1 of the 4 columns that the model takes (b)."
    )
    expect(refusal("x\n1")).toContain("it lacks 4 of the 4 columns that the model takes (a, b, sigma, band)")
    expect(refusal("a,b,sigma,band\n1,2,3")).toContain("line 2 has 3 fields, the header 4")
    expect(refusal("a,b,sigma,band\n1,2,3,4\n1,2,3,4,5")).toContain("line 3 has 5 fields, the header 4")
    expect(refusal("a,b,sigma,band\n")).toContain("no rows")
    expect(refusal("a,b,a,sigma,band\n1,2,3,4,5")).toContain("the column a twice")
    expect(refusal("")).toContain("it lacks 4")
  })

  it("is refused where a feature is no finite number, and says where", () => {
    for (const value of [
      "NaN",
      "nan",
      "Infinity",
      "-inf",
      "1e999",
      "1e39",
      "",
      "0x10",
      "1,5",
      "one",
      "1 2"
    ]) {
      const line = refusal(`a,b,sigma,band\n1,2,3,4\n1,"${value}",3,4`)
      expect(line).toMatch(/^t\.csv:3: the feature b is .*, not a finite number\.$/)
    }
    expect(refusal("a,b,sigma,band\n1,2,0,4")).toContain("line 2 has the sigma 0, which is not positive")
    expect(refusal("a,b,sigma,band\n1,2,1,-4")).toContain("line 2 has the band -4, which is not positive")
  })

  it("gives back every float32 that was written", () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect([...parsed(`a,b,sigma,band\n${a},${b},1,1`).features].map((one) => one + 0)).toEqual([
          a + 0,
          b + 0
        ])
      })
    )
  })

  it("is told from a bar file by its header", () => {
    expect(isInputHeader("timestamp,open,high,low,close,volume", names)).toBe(false)
    expect(isInputHeader("\ufeffa,x", names)).toBe(true)
    expect(isInputHeader("sigma;band", names)).toBe(true)
  })

  it.scoped("is read plain and packed, its header alone as well", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const text = `a,b,sigma,band\n${"1,2,3,4\n".repeat(200_000)}`
      for (const [name, bytes] of [
        ["plain.csv", Buffer.from(text)],
        ["packed.csv.gz", gzipSync(text)]
      ] as const) {
        const path = join(folder, name)
        writeFileSync(path, bytes)
        expect(yield* readHeader(path)).toBe("a,b,sigma,band")
        expect(yield* readTableText(path)).toBe(text)
      }
      const missing = yield* Effect.flip(readHeader(join(folder, "none.csv")))
      expect(missing.message).toContain("there is no such file")
    })
  )
})
