import { describe, expect, it } from "@effect/vitest"
import { Either } from "effect"
import fc from "fast-check"
import {
  canonicalJson,
  contentHash,
  describeRefusal,
  parseJson,
  refuseNonFinite,
  sha256,
  stringifyToBytes
} from "../../../src/protocols/wire/Json.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"

const parse = (text: string, options?: { readonly bytesMax?: number; readonly depthMax?: number }) =>
  parseJson(Buffer.from(text, "utf8"), options)

const refusal = (text: string) => Either.getOrThrow(Either.flip(parse(text)))

const forbidden = ["__proto__", "constructor", "prototype"]
const safeKey = fc.fullUnicodeString().filter((key) => !forbidden.includes(key))

/** Any JSON but the keys that are refused. Minus zero is not JSON's. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, "", "{", "\\", '"'),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.fullUnicodeString(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(safeKey, tie("value"), { maxKeys: 4 }).map((one) => ({ ...one }))
  )
})).value

describe("JSON from outside", () => {
  it("is read as JSON.parse reads it, where nothing speaks against it", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 1, "\t"), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent)
        expect(parse(text)).toEqual(Either.right(JSON.parse(text)))
      })
    )
  })

  it("is refused beyond its size, before it is looked at", () => {
    expect(parse("[1,2]", { bytesMax: 5 })).toEqual(Either.right([1, 2]))
    expect(parse("[1,2]", { bytesMax: 4 })).toEqual(Either.left({ _tag: "TooLarge", bytes: 5, bytesMax: 4 }))
    const large = new Uint8Array(Limits.payloadBytesMax + 1)
    expect(Either.getOrThrow(Either.flip(parseJson(large)))._tag).toBe("TooLarge")
    expect(Either.getOrThrow(Either.flip(parseJson(new Uint8Array(100 * 1024 * 1024))))._tag).toBe("TooLarge")
  })

  it("is refused when it is nested deeper than allowed, and read at exactly that", () => {
    const nested = (depth: number, open = "[", close = "]") => `${open.repeat(depth)}${close.repeat(depth)}`
    expect(Either.isRight(parse(nested(Limits.jsonDepthMax)))).toBe(true)
    expect(refusal(nested(Limits.jsonDepthMax + 1))).toEqual({
      _tag: "TooDeep",
      depthMax: Limits.jsonDepthMax
    })
    expect(refusal(nested(100_000))._tag).toBe("TooDeep")
    expect(refusal("[".repeat(100_000))._tag).toBe("TooDeep")
    expect(refusal(nested(100_000, '{"a":', "}"))._tag).toBe("TooDeep")
    expect(refusal(nested(50_000, '[{"a":', "}]"))._tag).toBe("TooDeep")
  })

  it("counts the nesting it is in, not the brackets it has seen, nor those in strings", () => {
    const wide = `[${Array.from({ length: 1_000 }, () => "[]").join(",")}]`
    expect(Either.isRight(parse(wide, { depthMax: 2 }))).toBe(true)
    expect(parse(JSON.stringify("[".repeat(1_000)))).toEqual(Either.right("[".repeat(1_000)))
    expect(parse(JSON.stringify(['\\"[[[[', 1]), { depthMax: 1 })).toEqual(Either.right(['\\"[[[[', 1]))
  })

  it("is refused with a key that poisons prototypes, however deep and however written", () => {
    const written = fc.constantFrom(...forbidden).chain((key) =>
      fc.array(fc.boolean(), { minLength: key.length, maxLength: key.length }).map((escaped) => ({
        key,
        text: [...key]
          .map((char, i) => (escaped[i] ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}` : char))
          .join("")
      }))
    )
    const space = fc.stringOf(fc.constantFrom(" ", "\n", "\t", "\r"), { maxLength: 3 })
    fc.assert(
      fc.property(
        written,
        space,
        json,
        fc.array(fc.boolean(), { maxLength: 8 }),
        ({ key, text }, gap, value, path) => {
          const poison = `{"before":${JSON.stringify(value)},"${text}"${gap}:{"isAdmin":true}}`
          const whole = path.reduce((inner, isArray) => (isArray ? `[1,${inner}]` : `{"a":${inner}}`), poison)
          expect(parse(whole)).toEqual(Either.left({ _tag: "ForbiddenKey", key }))
        }
      )
    )
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  it("may speak of those keys where they are no keys", () => {
    for (const word of forbidden) {
      expect(parse(JSON.stringify([word]))).toEqual(Either.right([word]))
      expect(parse(JSON.stringify({ key: word }))).toEqual(Either.right({ key: word }))
      expect(parse(JSON.stringify({ [`${word}s`]: 1 }))).toEqual(Either.right({ [`${word}s`]: 1 }))
    }
  })

  it("is refused when it is none, whatever bytes come", () => {
    for (const text of [
      "",
      "{",
      "[1,]",
      "{'a':1}",
      "NaN",
      "Infinity",
      "-Infinity",
      "01",
      "1 2",
      '"\\',
      '"'
    ]) {
      expect(refusal(text)._tag).toBe("NotJson")
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const parsed = parseJson(bytes)
        if (Either.isLeft(parsed)) expect(describeRefusal(parsed.left).length).toBeGreaterThan(0)
      })
    )
  })

  it("says in a sentence why it was refused", () => {
    expect(describeRefusal({ _tag: "TooLarge", bytes: 9, bytesMax: 5 })).toBe(
      "9 bytes are more than the 5 allowed"
    )
    expect(describeRefusal(refusal("[".repeat(100)))).toBe("nested deeper than 64 levels")
    expect(describeRefusal(refusal('{"__proto__":1}'))).toBe('the key "__proto__" is not allowed')
    expect(describeRefusal(refusal("{"))).toMatch(/^not JSON: /)
  })
})

describe("JSON that is written", () => {
  it("has no numbers that JSON cannot hold, however deep", () => {
    const broken = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
    fc.assert(
      fc.property(json, broken, fc.array(fc.boolean(), { maxLength: 8 }), (value, number, path) => {
        expect(() => refuseNonFinite(value)).not.toThrow()
        const whole = path.reduce<unknown>(
          (inner, isArray) => (isArray ? [value, inner] : { a: inner }),
          number
        )
        expect(() => refuseNonFinite(whole)).toThrow(TypeError)
      })
    )
  })

  it("comes back as it was", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(Either.getOrThrow(parseJson(stringifyToBytes(value)))).toEqual(value)
      })
    )
  })
})

/** The same with the keys of every object the other way round. */
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)])
  )
}

const keysOf = (value: unknown): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? []
    : [...(Array.isArray(value) ? [] : [Object.keys(value)]), ...Object.values(value).flatMap(keysOf)]

describe("canonical JSON (RFC 8785)", () => {
  it("is one text for one value, whatever the order of its keys", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(reversed(value))).toBe(text)
        expect(contentHash(reversed(value))).toBe(contentHash(value))
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      })
    )
  })

  it("is another text for another value", () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = JSON.stringify(reversed(a)) === JSON.stringify(reversed(b))
        if (canonicalJson(a) === canonicalJson(b)) expect(a).toEqual(b)
        else expect(same).toBe(false)
      })
    )
  })

  it("has its keys sorted by their UTF-16 code units, and no space between its tokens", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          safeKey.filter((key) => !/^\d+$/.test(key)),
          { minLength: 2 }
        ),
        (keys) => {
          const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, [1, { a: null }]])))
          // Without arguments sort() compares code units, which is what the RFC asks for.
          expect(keysOf(JSON.parse(text))[0]).toEqual([...keys].sort())
          expect(text).toBe(JSON.stringify(JSON.parse(text)))
        }
      )
    )
  })

  it("is what the RFC's own example is", () => {
    const example = `{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
      "literals": [null, true, false]
    }`
    expect(canonicalJson(JSON.parse(example))).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
  })

  it("sorts as the RFC's example of keys does", () => {
    const keys = ["\u20ac", "\r", "\ufb33", "1", "\u{1f600}", "\u0080", "\u00f6"]
    const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])))
    expect(text).toBe('{"\\r":0,"1":0,"\u0080":0,"\u00f6":0,"\u20ac":0,"\u{1f600}":0,"\ufb33":0}')
  })

  it("writes numbers as the RFC's table does", () => {
    const table: ReadonlyArray<readonly [string, string]> = [
      ["0000000000000000", "0"],
      ["8000000000000000", "0"],
      ["0000000000000001", "5e-324"],
      ["7fefffffffffffff", "1.7976931348623157e+308"],
      ["4340000000000000", "9007199254740992"],
      ["4430000000000000", "295147905179352830000"],
      ["44b52d02c7e14af5", "9.999999999999997e+22"],
      ["444b1ae4d6e2ef4f", "999999999999999900000"],
      ["3eb0c6f7a0b5ed8d", "0.000001"],
      ["41b3de4355555554", "333333333.33333325"],
      ["becbf647612f3696", "-0.0000033333333333333333"]
    ]
    for (const [bits, text] of table) {
      expect(canonicalJson(Buffer.from(bits, "hex").readDoubleBE(0))).toBe(text)
    }
  })

  it("is refused for what is not JSON", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, () => 1]) {
      expect(() => canonicalJson(value)).toThrow()
    }
  })

  it("is what hashes are taken of", () => {
    expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    expect(sha256(Buffer.from("abc"))).toBe(sha256("abc"))
    expect(contentHash({ b: 1, a: 2 })).toBe(sha256('{"a":2,"b":1}'))
  })
})
