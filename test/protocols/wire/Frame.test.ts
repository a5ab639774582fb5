import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { encodeFrame, type Frame, FrameError, FrameReader } from "../../../src/protocols/wire/Frame.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"

const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.nat(255),
  id: fc.integer({ min: 0, max: 0xffff_ffff }),
  header: fc.oneof(
    fc.constant(null),
    fc
      .dictionary(fc.string(), fc.oneof(fc.fullUnicodeString(), fc.integer(), fc.boolean()))
      .map((one) => ({ ...one }))
  ),
  body: fc.uint8Array({ maxLength: 300 })
})

const readAll = (chunks: Iterable<Uint8Array>, reader = new FrameReader()): ReadonlyArray<Frame> =>
  [...chunks].flatMap((chunk) => reader.push(chunk))

const cutAt = (bytes: Buffer, places: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length))
}

const prefix = (length: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}

describe("frames", () => {
  it("come back as they were, wherever the stream of them is cut", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(5_000)), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(encodeFrame))
        expect(readAll(cutAt(bytes, cuts))).toEqual(frames)
      })
    )
  })

  it("come back as they were at every single place that a stream can be cut", () => {
    const frames: ReadonlyArray<Frame> = [
      { kind: 1, id: 0, header: null, body: new Uint8Array(0) },
      { kind: 255, id: 0xffff_ffff, header: { text: "héllo" }, body: Uint8Array.of(1, 2, 3) }
    ]
    const bytes = Buffer.concat(frames.map(encodeFrame))
    for (let at = 0; at <= bytes.length; at++) {
      expect(readAll([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(frames)
    }
    expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(frames)
  })

  it("are given out as soon as they are whole, and not before", () => {
    const reader = new FrameReader()
    const bytes = encodeFrame({ kind: 16, id: 5, header: { a: 1 }, body: Uint8Array.of(9) })
    for (let at = 0; at < bytes.length - 1; at++) expect(reader.push(bytes.subarray(at, at + 1))).toEqual([])
    expect(reader.push(bytes.subarray(-1)).map(({ id }) => id)).toEqual([5])
  })

  it("without header or body have none", () => {
    expect(readAll([encodeFrame({ kind: 1, id: 0 })])).toEqual([
      { kind: 1, id: 0, header: null, body: new Uint8Array(0) }
    ])
  })

  it("have bodies of their own, aligned for typed arrays", () => {
    const floats = Float32Array.of(1.5, -2.5)
    const body = new Uint8Array(floats.buffer)
    for (const text of ["", "a", "ab", "abc"]) {
      const bytes = encodeFrame({ kind: 16, id: 1, header: text, body })
      const [read] = readAll([bytes])
      bytes.fill(0)
      expect([...new Float32Array((read as Frame).body.buffer)]).toEqual([1.5, -2.5])
    }
  })
})

describe("what is no sequence of frames", () => {
  it("is refused at its first four bytes when a frame would be longer than allowed", () => {
    expect(() => new FrameReader(100).push(prefix(101))).toThrow("a frame of 101 bytes is outside 9..100")
    expect(() => new FrameReader(100).push(prefix(101))).toThrow(FrameError)
    expect(new FrameReader(100).push(prefix(100))).toEqual([])
    expect(() => new FrameReader().push(prefix(Limits.frameBytesMax + 1))).toThrow(FrameError)
    expect(() => new FrameReader().push(prefix(0xffff_ffff))).toThrow(FrameError)
  })

  it("is refused when a frame would be shorter than its fixed part", () => {
    for (const length of [0, 1, 8]) expect(() => new FrameReader().push(prefix(length))).toThrow(FrameError)
  })

  it("is refused when a header is longer than its frame", () => {
    for (const longer of [1, 2, 0xffff_0000]) {
      const bytes = encodeFrame({ kind: 16, id: 1, header: { a: 1 } })
      bytes.writeUInt32LE(bytes.length - 13 + longer, 9)
      expect(() => new FrameReader().push(bytes)).toThrow("the header is longer than its frame")
    }
  })

  it("is refused when a header is not JSON", () => {
    const bytes = encodeFrame({ kind: 16, id: 1, header: "abc" })
    bytes.writeUInt8(0x5b, 13)
    expect(() => new FrameReader().push(bytes)).toThrow("the header is not JSON")
  })

  it("is refused by no other error than a frame's, whatever its bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        try {
          readAll(chunks, new FrameReader(1_000))
        } catch (cause) {
          expect(cause).toBeInstanceOf(FrameError)
        }
      })
    )
  })

  it("leaves those before it as they were given out", () => {
    const good = encodeFrame({ kind: 16, id: 1 })
    const reader = new FrameReader(100)
    expect(reader.push(good).length).toBe(1)
    expect(() => reader.push(Buffer.concat([prefix(500), good]))).toThrow(FrameError)
  })
})
