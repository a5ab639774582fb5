/**
 * The state of a Tiny Recursive Model's training between two epochs, as bytes: that of any training (Checkpoint.ts), and
 * the rows that are being carried from one supervision step to the next.
 *
 * Layout: the length of the header as uint32, the header as canonical JSON, the checkpoint, then the carried rows as
 * float32 vectors in the order of `vectors`, all little-endian, then the SHA-256 of everything before it.
 */
import { createHash } from "node:crypto"
import { Either, Schema } from "effect"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import { CheckpointUnreadable } from "../errors.ts"
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../training/Checkpoint.ts"
import type { CarriedRows } from "./CarriedRows.ts"

const Count = Schema.Int.pipe(Schema.nonNegative())

const Header = Schema.Struct({
  version: Schema.Literal(1),
  kind: Schema.Literal("trm"),
  /** Of the checkpoint within. */
  bytes: Count,
  taken: Count,
  rows: Count,
  inputs: Count,
  labels: Count,
  state: Count
})
const HeaderText = Schema.parseJson(Header)

export type TrmCheckpoint = Checkpoint & { readonly carried: CarriedRows }

const digestBytes = 32
const headerBytesMax = 65_536

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

export const encodeTrmCheckpoint = ({ carried, ...checkpoint }: TrmCheckpoint): Uint8Array => {
  const { halted, inputs, labels, steps, taken, y, z } = carried
  const within = encodeCheckpoint(checkpoint)
  const header = Buffer.from(
    canonicalJson({
      version: 1,
      kind: "trm",
      bytes: within.length,
      taken,
      rows: halted.length,
      inputs: inputs.length,
      labels: labels.length,
      state: y.length
    })
  )
  const length = Buffer.alloc(4)
  length.writeUInt32LE(header.length)
  const vectors = [inputs, labels, y, z, Float32Array.from(steps), Float32Array.from(halted)]
  const body = Buffer.concat([length, header, within, ...vectors.map(bytesOf)])
  return Buffer.concat([body, createHash("sha256").update(body).digest()])
}

export const decodeTrmCheckpoint = (
  bytes: Uint8Array
): Either.Either<TrmCheckpoint, CheckpointUnreadable> => {
  const unreadable = (reason: string) => Either.left(new CheckpointUnreadable({ reason }))
  if (bytes.byteLength < 4 + digestBytes) return unreadable("it is too short")
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const body = all.subarray(0, -digestBytes)
  if (!createHash("sha256").update(body).digest().equals(all.subarray(-digestBytes))) {
    return unreadable("its content does not match its checksum")
  }
  const length = body.readUInt32LE(0)
  if (length > headerBytesMax || 4 + length > body.length) return unreadable("its header does not end")
  const decoded = Schema.decodeUnknownEither(HeaderText)(body.subarray(4, 4 + length).toString("utf8"))
  if (Either.isLeft(decoded)) return unreadable("its header is malformed")
  const { bytes: inner, inputs, labels, rows, state, taken } = decoded.right
  const rest = body.subarray(4 + length)
  if (rest.length !== inner + 4 * (inputs + labels + 2 * state + 2 * rows)) {
    return unreadable("vectors are missing")
  }
  let at = inner
  const vector = (count: number): Float32Array => {
    const values = new Float32Array(count)
    Buffer.from(values.buffer).set(rest.subarray(at, at + 4 * count))
    at += 4 * count
    return values
  }
  return Either.map(decodeCheckpoint(rest.subarray(0, inner)), (checkpoint) => ({
    ...checkpoint,
    carried: {
      inputs: vector(inputs),
      labels: vector(labels),
      y: vector(state),
      z: vector(state),
      steps: Int32Array.from(vector(rows)),
      halted: Uint8Array.from(vector(rows)),
      taken
    }
  }))
}
