import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeUbjson } from "../../../src/learning/trees/Ubjson.ts"

const limits = { depthMax: 8, valuesMax: 1_000 }

/** Characters stand for their bytes, numbers for themselves. */
const bytes = (...parts: ReadonlyArray<string | number>): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === "number" ? [part] : [...Buffer.from(part, "latin1")]))
  )

const decode = (...parts: ReadonlyArray<string | number>) => decodeUbjson(bytes(...parts), limits)

const big = (write: (buffer: Buffer) => void, length: number) => {
  const buffer = Buffer.alloc(length)
  write(buffer)
  return buffer
}

/** An own encoder, of the forms that XGBoost writes. */
const encode = (value: unknown): Buffer => {
  const count = (n: number) => Buffer.concat([Buffer.from("L"), big((b) => b.writeBigInt64BE(BigInt(n)), 8)])
  const text = (of: string) => Buffer.concat([count(Buffer.byteLength(of)), Buffer.from(of)])
  if (value === null) return Buffer.from("Z")
  if (typeof value === "boolean") return Buffer.from(value ? "T" : "F")
  if (typeof value === "string") return Buffer.concat([Buffer.from("S"), text(value)])
  if (typeof value === "number") {
    return Number.isInteger(value) && Math.abs(value) < 2 ** 31 && !Object.is(value, -0)
      ? Buffer.concat([Buffer.from("l"), big((b) => b.writeInt32BE(value), 4)])
      : Buffer.concat([Buffer.from("D"), big((b) => b.writeDoubleBE(value), 8)])
  }
  if (Array.isArray(value)) {
    return Buffer.concat([Buffer.from("[#"), count(value.length), ...value.map(encode)])
  }
  const fields = Object.entries(value as object).map(([key, of]) => Buffer.concat([text(key), encode(of)]))
  return Buffer.concat([Buffer.from("{"), ...fields, Buffer.from("}")])
}

describe("Ubjson", () => {
  it("reads every kind of scalar", () => {
    expect(decode("Z")).toBe(null)
    expect(decode("T")).toBe(true)
    expect(decode("F")).toBe(false)
    expect(decode("i", 0xfe)).toBe(-2)
    expect(decode("U", 0xfe)).toBe(254)
    expect(decode("I", 0xff, 0x00)).toBe(-256)
    expect(decode("l", 0, 1, 0, 0)).toBe(65_536)
    expect(decode("L", 0, 0, 0, 1, 0, 0, 0, 0)).toBe(2 ** 32)
    expect(decode("d", 0x3f, 0x80, 0, 0)).toBe(1)
    expect(decode("D", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0)).toBe(1.5)
    expect(decode("C", "a")).toBe("a")
    expect(decode("S", "U", 3, "\xe2\x82\xac")).toBe("€")
  })

  it("reads arrays with and without a count, and those of one type as typed arrays", () => {
    expect(decode("[", "U", 1, "N", "T", "]")).toEqual([1, true])
    expect(decode("[", "#", "U", 2, "U", 1, "Z")).toEqual([1, null])
    expect(decode("[$U#", "i", 3, 1, 2, 255)).toEqual(Uint8Array.of(1, 2, 255))
    expect(decode("[$l#", "i", 1, 0xff, 0xff, 0xff, 0xff)).toEqual(Int32Array.of(-1))
    expect(decode("[$d#", "i", 1, 0x7f, 0xc0, 0, 0)).toEqual(Float32Array.of(Number.NaN))
    expect(decode("[$L#", "i", 1, 0, 0, 0, 0, 0, 0, 0, 7)).toEqual(Float64Array.of(7))
  })

  it("reads objects whose keys mean nothing to their prototype", () => {
    const read = decode("{", "U", 9, "__proto__", "U", 7, "U", 1, "a", "{", "#", "U", 0, "}") as object
    expect(Object.keys(read)).toEqual(["__proto__", "a"])
    expect(Object.getPrototypeOf(read)).toBe(null)
  })

  it("reads back whatever JSON can say", () => {
    const value = fc.jsonValue({ maxDepth: 5 })
    fc.assert(
      fc.property(value, (given) => {
        const read = decodeUbjson(encode(given), { depthMax: 20, valuesMax: 100_000 })
        expect(JSON.parse(JSON.stringify(read))).toEqual(JSON.parse(JSON.stringify(given)))
      })
    )
  })

  it("says what is wrong", () => {
    expect(() => decode()).toThrow("it ends in the middle of a value")
    expect(() => decode("?")).toThrow('a value begins with "?"')
    expect(() => decode(200)).toThrow("a value begins with byte 200")
    expect(() => decode("S", "d", 0, 0, 0, 1)).toThrow('a length begins with "d"')
    expect(() => decode("S", "i", 0xff)).toThrow("a length is negative")
    expect(() => decode("S", "U", 2, "\xff\xff")).toThrow()
    expect(() => decode("S", "U", 9, "short")).toThrow("it ends in the middle of a value")
    expect(() => decode("L", 0x7f, 0, 0, 0, 0, 0, 0, 0)).toThrow("beyond 2^53")
    expect(() => decode("H", "U", 1, "1")).toThrow('a value begins with "H"')
    expect(() => decode("[$S#", "U", 1)).toThrow('an array of the type "S"')
    expect(() => decode("[$U", "U", 1)).toThrow("no count")
    expect(() => decode("{$U#", "U", 1)).toThrow("an object of one type")
    expect(() => decode("{", "U", 1, "a", "T", "U", 1, "a", "T", "}")).toThrow('the key "a" twice')
    expect(() => decode("T", "T")).toThrow("1 bytes follow its end")
  })

  it("neither nests, counts nor makes more than it may", () => {
    expect(() => decode("[".repeat(9))).toThrow("nested deeper than 8 levels")
    expect(() => decode("[".repeat(1_000_000))).toThrow("nested deeper than 8 levels")
    expect(() => decode("[", "Z".repeat(2_000), "]")).toThrow("more than 1000 values")
    // Counts of 2^40 elements that are not there.
    const huge = [0, 0, 1, 0, 0, 0, 0, 0]
    expect(() => decode("[$D#L", ...huge)).toThrow("it ends in the middle of a value")
    expect(() => decode("[#L", ...huge)).toThrow("it ends in the middle of a value")
    expect(() => decode("S", "L", ...huge)).toThrow("it ends in the middle of a value")
  })

  it("throws an Error or gives a value on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
        try {
          decodeUbjson(given, limits)
        } catch (cause) {
          expect(cause).toBeInstanceOf(Error)
          expect(cause).not.toBeInstanceOf(RangeError)
        }
      }),
      { numRuns: 2_000 }
    )
  })
})
