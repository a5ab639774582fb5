/**
 * What a training learns from, as one file: a series of steps, and which windows of it are trained and validated on.
 *
 * Layout, little endian: the length of the header as uint32, the header as canonical JSON, then float32 columns:
 *
 *   series                         [steps, features]  as the network sees them, normalised
 *   training: ends                 [rows]             last step of each window, a whole number
 *             targets              [rows, width]
 *             weights              [rows]             in the loss
 *   validation: the same
 *
 * A file is named by the SHA-256 of its content: what it holds cannot change under a training.
 * What can go wrong: TrainingDataUnfit says which column of which row holds what it must not.
 * Invariants: equal data give equal bytes; what `decodeTrainingData` lets through is finite and within the series.
 */
import { Either, Schema } from "effect"
import { canonicalJson } from "../../protocols/wire/Json.ts"

const Count = Schema.Int.pipe(Schema.positive())
const Rows = Schema.NonNegativeInt

/** Windows whose places float32 holds exactly. */
export const trainingDataLimits = { steps: 2 ** 24, bytes: 2 ** 30 } as const

const Header = Schema.Struct({
  version: Schema.Literal(1),
  steps: Count.pipe(Schema.lessThanOrEqualTo(trainingDataLimits.steps)),
  features: Count.pipe(Schema.lessThanOrEqualTo(1_024)),
  /** Steps of a window. */
  length: Count.pipe(Schema.lessThanOrEqualTo(4_096)),
  /** Numbers of a target. */
  width: Count.pipe(Schema.lessThanOrEqualTo(65_536)),
  training: Rows,
  validation: Rows
})
const HeaderText = Schema.parseJson(Header)

export interface TrainingRows {
  /** [rows] */
  readonly ends: Int32Array
  /** [rows, width] */
  readonly targets: Float32Array
  /** [rows] */
  readonly weights: Float32Array
}

export interface TrainingData {
  readonly features: number
  readonly length: number
  readonly width: number
  /** [steps, features] */
  readonly series: Float32Array
  readonly training: TrainingRows
  readonly validation: TrainingRows
}

const headerBytesMax = 65_536

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** The file, in parts that follow each other. */
export const encodeTrainingData = (data: TrainingData): ReadonlyArray<Uint8Array> => {
  const { features, length, series, training, validation, width } = data
  const header = Buffer.from(
    canonicalJson({
      version: 1,
      steps: series.length / features,
      features,
      length,
      width,
      training: training.ends.length,
      validation: validation.ends.length
    })
  )
  const size = Buffer.alloc(4)
  size.writeUInt32LE(header.length)
  const columns = [training, validation].flatMap(({ ends, targets, weights }) => [
    Float32Array.from(ends),
    targets,
    weights
  ])
  return [size, header, ...[series, ...columns].map(bytesOf)]
}

/** The left says what is wrong, as the end of a sentence. */
export const decodeTrainingData = (bytes: Uint8Array): Either.Either<TrainingData, string> => {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (all.length < 4) return Either.left("it is too short")
  const headerLength = all.readUInt32LE(0)
  if (headerLength > headerBytesMax || 4 + headerLength > all.length)
    return Either.left("its header does not end")
  const decoded = Schema.decodeUnknownEither(HeaderText)(all.toString("utf8", 4, 4 + headerLength))
  if (Either.isLeft(decoded)) return Either.left("its header is malformed")
  const { features, length, steps, training, validation, width } = decoded.right
  const floats = all.subarray(4 + headerLength)
  const numbers = steps * features + (training + validation) * (width + 2)
  if (floats.length !== 4 * numbers)
    return Either.left(`it has ${floats.length} bytes of numbers, not ${4 * numbers}`)

  let at = 0
  const column = (count: number): Float32Array => {
    const values = new Float32Array(count)
    Buffer.from(values.buffer).set(floats.subarray(at, at + 4 * count))
    at += 4 * count
    return values
  }
  const fault = (
    name: string,
    values: Float32Array,
    columns: number,
    isSound: (value: number) => boolean = Number.isFinite
  ) => {
    const index = values.findIndex((value) => !isSound(value))
    return index < 0 ? undefined : `row ${Math.floor(index / columns) + 1} of ${name} holds ${values[index]}`
  }
  const series = column(steps * features)
  let wrong = fault("its series", series, features)
  const rowsOf = (name: string, count: number): TrainingRows => {
    const ends = column(count)
    const targets = column(count * width)
    const weights = column(count)
    const isEnd = (end: number) => Number.isInteger(end) && end >= length - 1 && end < steps
    wrong ??=
      fault(`the ends of ${name}`, ends, 1, isEnd) ??
      fault(`the targets of ${name}`, targets, width) ??
      fault(`the weights of ${name}`, weights, 1, (weight) => weight >= 0 && Number.isFinite(weight))
    return { ends: Int32Array.from(ends), targets, weights }
  }
  const data: TrainingData = {
    features,
    length,
    width,
    series,
    training: rowsOf("training", training),
    validation: rowsOf("validation", validation)
  }
  return wrong === undefined ? Either.right(data) : Either.left(wrong)
}
