/**
 * XGBoost's model documents before they mean anything: JSON or UBJSON to nested values, and the fields of those.
 *
 * XGBoost's JSON is JSON but for the words NaN and Infinity. It writes most scalars as strings, and its UBJSON
 * writes arrays of numbers as arrays of one type.
 *
 * What can go wrong: everything; the functions throw an Error whose message says what is wrong where, which the
 * reader of the file turns into XgboostUnreadable.
 */
import { Either } from "effect"
import { describeRefusal, parseJson } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import { decodeUbjson } from "./Ubjson.ts"

/** Values of a UBJSON document outside typed arrays; one costs some ten times its bytes. */
const valuesMax = 4_000_000

/** Of a JSON document: an empty list takes two bytes there, and ten times as many in memory. */
const containersMax = 4_000_000

const openingBrace = 0x7b
const openingBracket = 0x5b
/** What follows the brace in UBJSON: the type of a key's length, or how the object is written. */
const ubjsonSecondBytes = new Set([..."iUIlL$#N"].map((character) => character.charCodeAt(0)))

/** Throws where the bytes are neither. */
export const parseDocument = (bytes: Uint8Array, bytesMax: number): unknown => {
  if (bytes.byteLength > bytesMax) {
    throw new Error(`${bytes.byteLength} bytes are more than the ${bytesMax} allowed`)
  }
  if (bytes[0] === openingBrace && ubjsonSecondBytes.has(bytes[1] ?? 0)) {
    return decodeUbjson(bytes, { depthMax: Limits.jsonDepthMax, valuesMax })
  }
  if (countContainers(bytes) > containersMax) refuse(`it holds more than ${containersMax} lists and objects`)
  const parsed = parseJson(withoutNonFinite(bytes), { bytesMax })
  if (Either.isLeft(parsed)) throw new Error(describeRefusal(parsed.left))
  return parsed.right
}

const countContainers = (bytes: Uint8Array): number => {
  let count = 0
  for (const byte of bytes) if (byte === openingBrace || byte === openingBracket) count++
  return count
}

const quote = 0x22
const backslash = 0x5c
/** Of as many bytes as the word; a string where JSON has no such number. */
const standIns = [
  ["NaN", '"?"'],
  ["Infinity", "1e999   "]
] as const

/** The same document in JSON proper: a threshold that is no number is found as such later, where it has a name. */
const withoutNonFinite = (bytes: Uint8Array): Uint8Array => {
  const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!standIns.some(([word]) => given.includes(word))) return bytes
  const changed = Buffer.from(given)
  for (let i = 0; i < changed.length; i++) {
    if (changed[i] === quote) {
      for (i++; i < changed.length && changed[i] !== quote; i++) if (changed[i] === backslash) i++
      continue
    }
    for (const [word, standIn] of standIns) {
      if (changed[i] !== word.charCodeAt(0) || changed.toString("latin1", i, i + word.length) !== word)
        continue
      changed.write(standIn, i, "latin1")
      i += word.length - 1
      break
    }
  }
  return changed
}

/** A value of the document, with the path to it for whoever reads an error. */
export interface Located {
  readonly value: unknown
  readonly path: string
}

export const refuse = (reason: string): never => {
  throw new Error(reason)
}

/** Undefined where there is no such field. */
export const optionalField = ({ value, path }: Located, key: string): Located | undefined => {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    return refuse(`${path === "" ? "it" : path} is no object`)
  }
  if (!Object.hasOwn(value, key)) return undefined
  return { value: (value as Record<string, unknown>)[key], path: path === "" ? key : `${path}.${key}` }
}

export const field = (of: Located, key: string): Located =>
  optionalField(of, key) ?? refuse(`${of.path === "" ? "it" : of.path} has no ${key}`)

export const textOf = ({ value, path }: Located): string =>
  typeof value === "string" ? value : refuse(`${path} is no text`)

/** An integer from 0, as a number or as text. */
export const countOf = ({ value, path }: Located): number => {
  const count = typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : value
  return typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= 0x7fffffff
    ? count
    : refuse(`${path} is no count`)
}

/** As `countOf`; 0 where there is no such field. */
export const countField = (of: Located, key: string): number => {
  const found = optionalField(of, key)
  return found === undefined ? 0 : countOf(found)
}

/** How many elements a list has. */
export const lengthOf = ({ value, path }: Located): number =>
  Array.isArray(value) || ArrayBuffer.isView(value)
    ? (value as ArrayLike<unknown>).length
    : refuse(`${path} is no list`)

/** An element of a list that has it; lists from outside may be long, so that nothing is made of the others. */
export const elementOf = ({ value, path }: Located, i: number): Located => ({
  value: (value as ArrayLike<unknown>)[i],
  path: `${path}[${i}]`
})

/** Numbers and booleans of a list; how many there must be is known. */
export const numbersOf = ({ value, path }: Located, length: number): ArrayLike<number> => {
  const isTyped = ArrayBuffer.isView(value)
  if (!isTyped && !Array.isArray(value)) return refuse(`${path} is no list`)
  const elements = value as ArrayLike<unknown>
  if (elements.length !== length) return refuse(`${path} has ${elements.length} elements, not ${length}`)
  if (isTyped) return elements as ArrayLike<number>
  return Array.from(elements, (element, i) =>
    typeof element === "number"
      ? element
      : typeof element === "boolean"
        ? Number(element)
        : refuse(`${path}[${i}] is no number`)
  )
}

/** Integers in [from, to). */
export const integersOf = (located: Located, length: number, from: number, to: number): ArrayLike<number> => {
  const numbers = numbersOf(located, length)
  for (let i = 0; i < length; i++) {
    const value = numbers[i] as number
    if (!Number.isInteger(value) || value < from || value >= to) {
      refuse(`${located.path}[${i}] is ${value}, no integer from ${from} to ${to - 1}`)
    }
  }
  return numbers
}

/** Numbers as float32, all of them finite there. */
export const float32Of = (located: Located, length: number): Float32Array => {
  const numbers = Float32Array.from(numbersOf(located, length))
  const at = numbers.findIndex((value) => !Number.isFinite(value))
  return at < 0 ? numbers : refuse(`${located.path}[${at}] is ${numbers[at]}`)
}
