/**
 * JSON at the boundary. Bytes from outside are measured before they are parsed: size, nesting and the keys
 * that poison prototypes are found by one pass over the bytes, so that nothing recursive ever sees a
 * hostile document. Canonical JSON (RFC 8785) is what hashes are taken of.
 */
import { createHash } from "node:crypto"
import canonicalize from "canonicalize"
import { Either } from "effect"
import { Limits } from "./Limits.ts"

export type JsonRefusal =
  | { readonly _tag: "TooLarge"; readonly bytes: number; readonly bytesMax: number }
  | { readonly _tag: "TooDeep"; readonly depthMax: number }
  | { readonly _tag: "ForbiddenKey"; readonly key: string }
  | { readonly _tag: "NotJson"; readonly message: string }

/** Says in a sentence why a document was refused. */
export const describeRefusal = (refusal: JsonRefusal): string => {
  switch (refusal._tag) {
    case "TooLarge":
      return `${refusal.bytes} bytes are more than the ${refusal.bytesMax} allowed`
    case "TooDeep":
      return `nested deeper than ${refusal.depthMax} levels`
    case "ForbiddenKey":
      return `the key "${refusal.key}" is not allowed`
    case "NotJson":
      return `not JSON: ${refusal.message}`
  }
}

const forbiddenKeys = new Set(["__proto__", "constructor", "prototype"])
const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const unescaped = (bytes: Buffer, start: number, end: number): string => {
  const raw = bytes.toString("utf8", start, end)
  if (!raw.includes("\\")) return raw
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return raw
  }
}

/** One pass over the bytes of a document; `undefined` when nothing speaks against parsing it. */
const inspect = (bytes: Buffer, depthMax: number): JsonRefusal | undefined => {
  let depth = 0
  let i = 0
  while (i < bytes.length) {
    const byte = bytes[i]
    if (byte === quote) {
      const start = ++i
      while (i < bytes.length && bytes[i] !== quote) i += bytes[i] === backslash ? 2 : 1
      const end = i
      let after = end + 1
      while (isSpace(bytes[after])) after++
      if (bytes[after] === colon) {
        const first = bytes[start]
        // "_", "c", "p" or an escape: only then can it be one of the forbidden keys.
        if (first === 0x5f || first === 0x63 || first === 0x70 || first === backslash) {
          const key = unescaped(bytes, start, end)
          if (forbiddenKeys.has(key)) return { _tag: "ForbiddenKey", key }
        }
      }
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) return { _tag: "TooDeep", depthMax }
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--
    }
    i++
  }
  return undefined
}

/** Parses bytes from outside, or says why it will not. The result has been bounded, not yet decoded. */
export const parseJson = (
  bytes: Uint8Array,
  options?: { readonly bytesMax?: number; readonly depthMax?: number }
): Either.Either<unknown, JsonRefusal> => {
  const bytesMax = options?.bytesMax ?? Limits.payloadBytesMax
  if (bytes.byteLength > bytesMax) return Either.left({ _tag: "TooLarge", bytes: bytes.byteLength, bytesMax })
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const refusal = inspect(buffer, options?.depthMax ?? Limits.jsonDepthMax)
  if (refusal !== undefined) return Either.left(refusal)
  try {
    return Either.right(JSON.parse(buffer.toString("utf8")) as unknown)
  } catch (cause) {
    return Either.left({ _tag: "NotJson", message: cause instanceof Error ? cause.message : String(cause) })
  }
}

/** Throws at a number that JSON would silently turn into null. */
export const refuseNonFinite = (value: unknown): void => {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be written as JSON`)
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) refuseNonFinite(value[i])
  } else if (typeof value === "object" && value !== null) {
    for (const key in value) refuseNonFinite((value as Record<string, unknown>)[key])
  }
}

export const stringifyToBytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), "utf8")

/** RFC 8785. The value must be JSON: anything else is a bug of the caller. */
export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError("canonicalJson: the value is not JSON")
  return text
}

/** SHA-256 in hex. */
export const sha256 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("hex")

/** SHA-256 of the canonical JSON of a value. */
export const contentHash = (value: unknown): string => sha256(canonicalJson(value))
