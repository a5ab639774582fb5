/**
 * The state of a training between two epochs, as bytes: whoever goes on from them comes to the same bytes as whoever was
 * never interrupted.
 *
 * Layout: the length of the header as uint32, the header as canonical JSON, then float32 vectors in its order, all
 * little-endian, then the SHA-256 of everything before it.
 */
import { createHash } from "node:crypto"
import { Either, Schema } from "effect"
import { canonicalJson } from "../../protocols/wire/Json.ts"
import { CheckpointUnreadable } from "../errors.ts"

const Count = Schema.Int.pipe(Schema.nonNegative())

const Header = Schema.Struct({
  version: Schema.Literal(1),
  /** Hash of the training's description: another one cannot be gone on with. */
  training: Schema.String,
  /** Epochs that are done. */
  epoch: Count,
  /** Updates that are done. */
  step: Count,
  bestLoss: Schema.NullOr(Schema.Finite),
  bestEpoch: Count,
  /** Losses of training and validation by epoch. */
  history: Schema.Array(Schema.Struct({ training: Schema.Finite, validation: Schema.Finite })),
  size: Count,
  moments: Count
})

export type Checkpoint = Omit<typeof Header.Type, "version" | "size" | "moments"> & {
  readonly parameters: Float32Array
  readonly moments: ReadonlyArray<Float32Array>
  /** Those of the epoch with the least validation loss; empty before there is one. */
  readonly best: Float32Array
}

const digestBytes = 32
const headerBytesMax = 1_048_576

const HeaderText = Schema.parseJson(Header)

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

export const encodeCheckpoint = (checkpoint: Checkpoint): Uint8Array => {
  const { best, moments, parameters, ...rest } = checkpoint
  const header = Buffer.from(
    canonicalJson({ ...rest, version: 1, size: parameters.length, moments: moments.length })
  )
  const length = Buffer.alloc(4)
  length.writeUInt32LE(header.length)
  const body = Buffer.concat([length, header, ...[parameters, best, ...moments].map(bytesOf)])
  return Buffer.concat([body, createHash("sha256").update(body).digest()])
}

export const decodeCheckpoint = (bytes: Uint8Array): Either.Either<Checkpoint, CheckpointUnreadable> => {
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
  const { moments, size, version: _, ...rest } = decoded.right
  const hasBest = rest.bestLoss !== null
  const floats = body.subarray(4 + length)
  if (floats.length !== 4 * size * (1 + (hasBest ? 1 : 0) + moments)) return unreadable("vectors are missing")
  let at = 0
  const vector = (count: number): Float32Array => {
    const values = new Float32Array(count)
    Buffer.from(values.buffer).set(floats.subarray(at, at + 4 * count))
    at += 4 * count
    return values
  }
  return Either.right({
    ...rest,
    parameters: vector(size),
    best: vector(hasBest ? size : 0),
    moments: Array.from({ length: moments }, () => vector(size))
  })
}
