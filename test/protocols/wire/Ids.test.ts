import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Either, Schema } from "effect"
import fc from "fast-check"
import * as Ids from "../../../src/protocols/wire/Ids.ts"

const isIdentifier = Schema.is(Ids.Identifier)

describe("an identifier", () => {
  it("is one token of a subject and one name of a file, whichever it is", () => {
    fc.assert(
      fc.property(Arbitrary.make(Ids.Identifier), (id) => {
        expect(id).toMatch(/^[A-Za-z0-9_-]{1,128}$/)
        expect(id.startsWith("-") || id.startsWith("_")).toBe(false)
      })
    )
  })

  it("may be of any length up to its limit", () => {
    expect(isIdentifier("a")).toBe(true)
    expect(isIdentifier("x".repeat(128))).toBe(true)
    expect(isIdentifier("x".repeat(129))).toBe(false)
  })

  it("is nothing that means something to subjects, paths or shells", () => {
    const bad = [
      "",
      ".",
      "..",
      "a.b",
      "a b",
      "*",
      ">",
      "a*",
      "$JS",
      "../x",
      "a/b",
      "a\\b",
      "%2e%2e",
      "-rf",
      "_INBOX",
      "a\u0000",
      "a\n",
      "\na",
      "é",
      "a:b",
      "\u200b"
    ]
    for (const text of bad) expect(isIdentifier(text), JSON.stringify(text)).toBe(false)
  })

  it("is what runs and nodes are named by", () => {
    for (const schema of [Ids.RunId, Ids.NodeId]) {
      expect(Either.isRight(Schema.decodeUnknownEither(schema)("run-1"))).toBe(true)
      expect(Either.isLeft(Schema.decodeUnknownEither(schema)("run.1"))).toBe(true)
    }
  })
})

describe("epochs, sequences and instants", () => {
  it("are whole numbers that are exact, from zero on", () => {
    for (const schema of [Ids.Epoch, Ids.Sequence, Ids.EpochMs] as ReadonlyArray<
      Schema.Schema<number, number>
    >) {
      const is = Schema.is(schema)
      for (const good of [0, 1, 1_700_000_000_000]) expect(is(good)).toBe(true)
      for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53 + 2, "1"])
        expect(is(bad)).toBe(false)
    }
  })
})

describe("a digest", () => {
  it("is 64 lower-case hex digits", () => {
    const is = Schema.is(Ids.Digest)
    expect(is("a0".repeat(32))).toBe(true)
    for (const bad of ["A0".repeat(32), "a0".repeat(31), `${"a0".repeat(32)}\n`, "g".repeat(64)]) {
      expect(is(bad)).toBe(false)
    }
  })
})

describe("a derived id", () => {
  it("is the same for the same, whatever the order of keys, and 32 hex digits", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.integer())), (parts) => {
        expect(Ids.derivedId(...parts)).toBe(Ids.derivedId(...parts))
        expect(Ids.derivedId(...parts)).toMatch(/^[0-9a-f]{32}$/)
      })
    )
    expect(Ids.derivedId({ a: 1, b: 2 })).toBe(Ids.derivedId({ b: 2, a: 1 }))
  })

  it("is another for others, also where they look alike", () => {
    const alike = [
      ["a", "b"],
      ["ab"],
      ["a,b"],
      [["a", "b"]],
      ["b", "a"],
      ["a", "b", ""],
      ["1"],
      [1],
      [null],
      []
    ]
    expect(new Set(alike.map((parts) => Ids.derivedId(...parts))).size).toBe(alike.length)
  })

  it("is what it has always been: stored records bear it", () => {
    expect(Ids.derivedId("run", "binance:BTCUSDT:perp", 60_000)).toBe("3aef2a8adcdf1a8bb0bd81ef32429552")
  })
})

describe("a reason", () => {
  it("is cut to its limit, and says that it was", () => {
    expect(Ids.truncateReason("short")).toBe("short")
    expect(Ids.truncateReason("x".repeat(2_000))).toBe("x".repeat(2_000))
    fc.assert(
      fc.property(fc.integer({ min: 2_001, max: 10_000 }), (length) => {
        const cut = Ids.truncateReason("x".repeat(length))
        expect(Schema.is(Ids.Reason)(cut)).toBe(true)
        expect(cut.endsWith("x…")).toBe(true)
      })
    )
  })
})
