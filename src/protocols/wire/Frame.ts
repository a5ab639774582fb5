/**
 * The binary frames that a node and its child processes exchange over pipes:
 * `u32 length | u8 kind | u32 id | u32 header length | header (JSON) | body (bytes)`, little endian, the length
 * counting what follows it. The reader refuses a frame that is too long before it keeps a byte of it.
 */
import { Limits } from "./Limits.ts"

export interface Frame {
  readonly kind: number
  /** Pairs an answer with its request; 0 for frames that stand alone. */
  readonly id: number
  readonly header: unknown
  readonly body: Uint8Array
}

/** Kinds that every child process knows; those from 16 on belong to what it does. */
export const frameKind = { ready: 1, heartbeat: 2, answer: 3, refusal: 4 } as const

const prefixBytes = 4
const fixedBytes = 1 + 4 + 4
const empty = new Uint8Array(0)

export const encodeFrame = (frame: {
  readonly kind: number
  readonly id: number
  readonly header?: unknown
  readonly body?: Uint8Array
}): Buffer => {
  const header = Buffer.from(frame.header === undefined ? "null" : JSON.stringify(frame.header), "utf8")
  const body = frame.body ?? empty
  const length = fixedBytes + header.length + body.byteLength
  const out = Buffer.allocUnsafe(prefixBytes + length)
  out.writeUInt32LE(length, 0)
  out.writeUInt8(frame.kind, 4)
  out.writeUInt32LE(frame.id, 5)
  out.writeUInt32LE(header.length, 9)
  header.copy(out, 13)
  out.set(body, 13 + header.length)
  return out
}

export class FrameError extends Error {
  override readonly name = "FrameError"
}

/** Cuts a byte stream into frames. Throws `FrameError` on a stream that is no sequence of frames. */
export class FrameReader {
  #chunks: Array<Buffer> = []
  #size = 0
  readonly #bytesMax: number

  constructor(bytesMax: number = Limits.frameBytesMax) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Uint8Array): ReadonlyArray<Frame> {
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    this.#size += chunk.byteLength
    const frames: Array<Frame> = []
    while (this.#size >= prefixBytes) {
      const length = this.#peek(prefixBytes).readUInt32LE(0)
      if (length < fixedBytes || length > this.#bytesMax) {
        throw new FrameError(`a frame of ${length} bytes is outside ${fixedBytes}..${this.#bytesMax}`)
      }
      if (this.#size < prefixBytes + length) break
      frames.push(this.#parse(this.#take(prefixBytes + length)))
    }
    return frames
  }

  #peek(bytes: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= bytes) return first
    this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  #take(bytes: number): Buffer {
    const buffer = this.#peek(bytes)
    this.#size -= bytes
    if (buffer.length === bytes) this.#chunks.shift()
    else this.#chunks[0] = buffer.subarray(bytes)
    return buffer.subarray(0, bytes)
  }

  #parse(frame: Buffer): Frame {
    const headerLength = frame.readUInt32LE(9)
    if (13 + headerLength > frame.length) throw new FrameError("the header is longer than its frame")
    let header: unknown
    try {
      header = JSON.parse(frame.toString("utf8", 13, 13 + headerLength))
    } catch (cause) {
      throw new FrameError(`the header is not JSON: ${String(cause)}`)
    }
    // A copy, so that a small body does not keep a large chunk alive and typed arrays over it are aligned.
    const body = new Uint8Array(frame.length - 13 - headerLength)
    body.set(frame.subarray(13 + headerLength))
    return { kind: frame.readUInt8(4), id: frame.readUInt32LE(5), header, body }
  }
}
