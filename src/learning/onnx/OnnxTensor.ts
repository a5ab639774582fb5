/**
 * Constant tensors of ONNX models: typed, dense, row-major, their elements as little-endian bytes
 * (`raw_data`).
 *
 * What can go wrong: a shape that disagrees with the number of elements; the constructors throw RangeError on
 * it, since the caller holds both. Decoded tensors have been checked by OnnxFile.
 * Invariant: `raw.length` is the product of `dims` times the element size.
 */

/** Element types by their number in onnx.proto (`TensorProto.DataType`). */
export const elementCodes = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13
} as const
export type ElementType = keyof typeof elementCodes

const elementBytes: Record<ElementType, number> = {
  float: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  double: 8,
  uint32: 4,
  uint64: 8
}

const typesByCode = new Map(
  Object.entries(elementCodes).map(([type, code]) => [code as number, type as ElementType])
)

export const elementTypeOf = (code: number): ElementType | undefined => typesByCode.get(code)

export const bytesPerElement = (type: ElementType): number => elementBytes[type]

export interface TensorProto {
  readonly name: string
  readonly elementType: ElementType
  readonly dims: ReadonlyArray<number>
  readonly raw: Uint8Array
}

export const elementCount = (dims: ReadonlyArray<number>): number =>
  dims.reduce((product, dim) => product * dim, 1)

/** A tensor of numbers, rounded to the element type as a DataView does; int64 takes whole numbers. */
export const tensor = (
  name: string,
  elementType: ElementType,
  dims: ReadonlyArray<number>,
  values: ArrayLike<number>
): TensorProto => {
  if (elementCount(dims) !== values.length) {
    throw new RangeError(`Tensor "${name}" has ${values.length} values for the shape [${dims.join(", ")}]`)
  }
  const size = elementBytes[elementType]
  const raw = new Uint8Array(values.length * size)
  const view = new DataView(raw.buffer)
  for (let i = 0; i < values.length; i++) writeElement(view, i * size, elementType, values[i] as number)
  return { name, elementType, dims: [...dims], raw }
}

/** The elements as numbers; 64-bit integers beyond 2^53 are rounded. */
export const valuesOf = (tensor: TensorProto): Float64Array => {
  const size = elementBytes[tensor.elementType]
  const view = new DataView(tensor.raw.buffer, tensor.raw.byteOffset, tensor.raw.byteLength)
  const values = new Float64Array(tensor.raw.byteLength / size)
  for (let i = 0; i < values.length; i++) values[i] = readers[tensor.elementType](view, i * size)
  return values
}

type Write = (view: DataView, at: number, value: number) => void
type Read = (view: DataView, at: number) => number

const writeUint8: Write = (view, at, value) => view.setUint8(at, value)
const writeUint16: Write = (view, at, value) => view.setUint16(at, value, true)
const writeUint32: Write = (view, at, value) => view.setUint32(at, value, true)

const writers: Record<ElementType, Write> = {
  float: (view, at, value) => view.setFloat32(at, value, true),
  uint8: writeUint8,
  int8: writeUint8,
  uint16: writeUint16,
  int16: writeUint16,
  int32: writeUint32,
  int64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  bool: writeUint8,
  float16: writeUint16,
  double: (view, at, value) => view.setFloat64(at, value, true),
  uint32: writeUint32,
  uint64: (view, at, value) => view.setBigUint64(at, BigInt(value), true)
}

const readers: Record<ElementType, Read> = {
  float: (view, at) => view.getFloat32(at, true),
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  int32: (view, at) => view.getInt32(at, true),
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  bool: (view, at) => view.getUint8(at),
  float16: (view, at) => view.getUint16(at, true),
  double: (view, at) => view.getFloat64(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  uint64: (view, at) => Number(view.getBigUint64(at, true))
}

/** Writes one element; a float16 is given, and read, as its bits. */
export const writeElement = (view: DataView, at: number, type: ElementType, value: number): void =>
  writers[type](view, at, value)
