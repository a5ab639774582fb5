/**
 * Universal Binary JSON (https://ubjson.org, draft 12), as far as XGBoost writes it: objects, arrays with and
 * without a count, arrays of one type, strings, integers, floats, booleans, null.
 *
 * Arrays of one numeric type become typed arrays; objects have no prototype, so that no key means anything.
 *
 * What can go wrong: bytes from outside are anything. `decodeUbjson` throws an Error that says what is wrong with
 * them, which its caller turns into the error of the file; it nests no deeper than `depthMax`, makes no more than
 * `valuesMax` values and never more elements than there are bytes for.
 */

export interface UbjsonLimits {
  readonly depthMax: number
  /** Values that are not elements of an array of one type. */
  readonly valuesMax: number
}

type Numbers = Float64Array | Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array

const letter = (text: string): number => text.charCodeAt(0)

const marker = {
  arrayStart: letter("["),
  arrayEnd: letter("]"),
  objectStart: letter("{"),
  objectEnd: letter("}"),
  type: letter("$"),
  count: letter("#"),
  nothing: letter("N")
} as const

interface NumberFormat {
  readonly bytes: number
  readonly read: (view: DataView, at: number) => number
  readonly array: (length: number) => Numbers
}

const int64 = (view: DataView, at: number): number => {
  const value = Number(view.getBigInt64(at))
  if (!Number.isSafeInteger(value)) throw new Error("it holds an integer beyond 2^53")
  return value
}

/** Numbers by their marker, most significant byte first. */
const formats = new Map<number, NumberFormat>([
  [letter("i"), { bytes: 1, read: (view, at) => view.getInt8(at), array: (n) => new Int8Array(n) }],
  [letter("U"), { bytes: 1, read: (view, at) => view.getUint8(at), array: (n) => new Uint8Array(n) }],
  [letter("I"), { bytes: 2, read: (view, at) => view.getInt16(at), array: (n) => new Int16Array(n) }],
  [letter("l"), { bytes: 4, read: (view, at) => view.getInt32(at), array: (n) => new Int32Array(n) }],
  [letter("L"), { bytes: 8, read: int64, array: (n) => new Float64Array(n) }],
  [letter("d"), { bytes: 4, read: (view, at) => view.getFloat32(at), array: (n) => new Float32Array(n) }],
  [letter("D"), { bytes: 8, read: (view, at) => view.getFloat64(at), array: (n) => new Float64Array(n) }]
])

const integerMarkers = new Set(["i", "U", "I", "l", "L"].map(letter))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const nameOf = (code: number) =>
  code > 0x20 && code < 0x7f ? `"${String.fromCharCode(code)}"` : `byte ${code}`

export const decodeUbjson = (bytes: Uint8Array, limits: UbjsonLimits): unknown => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let values = 0

  /** Goes past `count` bytes and says where they begin. */
  const take = (count: number): number => {
    if (count > bytes.length - at) throw new Error("it ends in the middle of a value")
    at += count
    return at - count
  }
  const nextMarker = (): number => {
    for (;;) {
      const code = bytes[take(1)] as number
      if (code !== marker.nothing) return code
    }
  }
  const length = (code: number): number => {
    const format = integerMarkers.has(code) ? formats.get(code) : undefined
    if (format === undefined) throw new Error(`a length begins with ${nameOf(code)}`)
    const value = format.read(view, take(format.bytes))
    if (value < 0) throw new Error("a length is negative")
    return value
  }
  const text = (code: number): string => {
    const bytesLong = length(code)
    const start = take(bytesLong)
    return utf8.decode(bytes.subarray(start, start + bytesLong))
  }
  const spend = () => {
    if (++values > limits.valuesMax) throw new Error(`it holds more than ${limits.valuesMax} values`)
  }

  const numbers = (format: NumberFormat, count: number): Numbers => {
    const start = take(count * format.bytes)
    const elements = format.array(count)
    for (let i = 0; i < count; i++) elements[i] = format.read(view, start + i * format.bytes)
    return elements
  }

  const array = (depth: number): unknown => {
    let code = nextMarker()
    if (code === marker.type) {
      const type = nextMarker()
      const format = formats.get(type)
      if (format === undefined) throw new Error(`it holds an array of the type ${nameOf(type)}`)
      if (nextMarker() !== marker.count) throw new Error("an array of one type has no count")
      return numbers(format, length(nextMarker()))
    }
    const elements: Array<unknown> = []
    if (code === marker.count) {
      const count = length(nextMarker())
      for (let i = 0; i < count; i++) elements.push(value(nextMarker(), depth))
      return elements
    }
    for (; code !== marker.arrayEnd; code = nextMarker()) elements.push(value(code, depth))
    return elements
  }

  const object = (depth: number): unknown => {
    const fields = Object.create(null) as Record<string, unknown>
    const field = (code: number) => {
      const key = text(code)
      if (key in fields) throw new Error(`it holds the key "${key}" twice`)
      fields[key] = value(nextMarker(), depth)
    }
    let code = nextMarker()
    if (code === marker.type) throw new Error("it holds an object of one type")
    if (code === marker.count) {
      const count = length(nextMarker())
      for (let i = 0; i < count; i++) field(nextMarker())
      return fields
    }
    for (; code !== marker.objectEnd; code = nextMarker()) field(code)
    return fields
  }

  const value = (code: number, depth: number): unknown => {
    spend()
    if (code === marker.arrayStart || code === marker.objectStart) {
      if (depth >= limits.depthMax) throw new Error(`it is nested deeper than ${limits.depthMax} levels`)
      return code === marker.arrayStart ? array(depth + 1) : object(depth + 1)
    }
    const format = formats.get(code)
    if (format !== undefined) return format.read(view, take(format.bytes))
    switch (String.fromCharCode(code)) {
      case "S":
        return text(nextMarker())
      case "C":
        return String.fromCharCode(bytes[take(1)] as number)
      case "T":
        return true
      case "F":
        return false
      case "Z":
        return null
      default:
        throw new Error(`a value begins with ${nameOf(code)}`)
    }
  }

  const decoded = value(nextMarker(), 0)
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes follow its end`)
  return decoded
}
