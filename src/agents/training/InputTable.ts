/**
 * Tables of features for a model, as CSV: a header that names every feature of the model, `sigma` and `band`, in any
 * order; further columns are passed over. A plain file, or gzip.
 *
 * What can go wrong: columns that are missing, rows of another length than the header, what is no finite number, a sigma
 * or band that is not positive: the first of them is told with its line, and nothing of the table is used.
 */
import { statSync } from "node:fs"
import { open, readFile } from "node:fs/promises"
import { constants, gunzipSync } from "node:zlib"
import { Effect, Either } from "effect"
import { delimiterOf, splitLine } from "../../market/CsvLine.ts"
import { FeatureNotFinite, InputTableUnfit } from "./errors.ts"

export const inputTableLimits = { bytes: 256 * 2 ** 20, numbers: 64 * 2 ** 20 } as const

export interface InputTable {
  readonly rows: number
  /** [rows, features], in the order of the model. */
  readonly features: Float32Array
  readonly sigma: Float32Array
  readonly band: Float32Array
}

const questionColumns = ["sigma", "band"] as const
export const numberPattern = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/

/** Whether a header is meant as that of such a table, and not as that of a bar file. */
export const isInputHeader = (line: string, names: ReadonlyArray<string>): boolean => {
  const header = new Set(splitLine(line.replace(/^\ufeff/, ""), delimiterOf(line)) ?? [])
  return questionColumns.every((name) => header.has(name)) || names.some((name) => header.has(name))
}

const listed = (names: ReadonlyArray<string>) =>
  names.length > 4 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ")

export const parseInputTable = (
  path: string,
  text: string,
  names: ReadonlyArray<string>
): Either.Either<InputTable, InputTableUnfit | FeatureNotFinite> => {
  const unfit = (reason: string) => Either.left(new InputTableUnfit({ path, reason }))
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/)
  const [first = ""] = lines
  const delimiter = delimiterOf(first)
  const header = splitLine(first, delimiter)?.map((name) => name.trim()) ?? []
  const wanted = [...names, ...questionColumns]
  const missing = wanted.filter((name) => !header.includes(name))
  if (missing.length > 0) {
    return unfit(
      `it lacks ${missing.length} of the ${wanted.length} columns that the model takes (${listed(missing)})`
    )
  }
  const twice = wanted.find((name) => header.indexOf(name) !== header.lastIndexOf(name))
  if (twice !== undefined) return unfit(`it has the column ${twice} twice`)
  const places = wanted.map((name) => header.indexOf(name))
  const filled = lines.flatMap((line, i) => (i > 0 && line.trim() !== "" ? [{ line, number: i + 1 }] : []))
  if (filled.length === 0) return unfit("it has a header and no rows")
  if (filled.length * names.length > inputTableLimits.numbers) {
    return unfit(`it has more than ${inputTableLimits.numbers} numbers`)
  }
  const features = new Float32Array(filled.length * names.length)
  const sigma = new Float32Array(filled.length)
  const band = new Float32Array(filled.length)
  for (const [row, { line, number }] of filled.entries()) {
    const fields = splitLine(line, delimiter)
    if (fields?.length !== header.length) {
      return unfit(`line ${number} has ${fields?.length ?? "no whole"} fields, the header ${header.length}`)
    }
    for (const [column, place] of places.entries()) {
      const field = (fields[place] as string).trim()
      const value = numberPattern.test(field) ? Math.fround(Number(field)) : Number.NaN
      const name = wanted[column] as string
      if (!Number.isFinite(value)) {
        const said = field === "" ? "empty" : field.slice(0, 40)
        return Either.left(new FeatureNotFinite({ where: `${path}:${number}`, feature: name, value: said }))
      }
      if (column < names.length) features[row * names.length + column] = value
      else if (!(value > 0)) return unfit(`line ${number} has the ${name} ${field}, which is not positive`)
      else (name === "sigma" ? sigma : band)[row] = value
    }
  }
  return Either.right({ rows: filled.length, features, sigma, band })
}

const headerBytesMax = 2 ** 20

const unfitBy = (path: string) => (cause: unknown) => {
  if (cause instanceof InputTableUnfit) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message
  return new InputTableUnfit({ path, reason })
}

const isGzip = (bytes: Uint8Array) => bytes[0] === 0x1f && bytes[1] === 0x8b

/** The first line of a file, unpacked: it tells a table from a bar file. */
export const readHeader = (path: string): Effect.Effect<string, InputTableUnfit> =>
  Effect.tryPromise({
    try: async () => {
      const file = await open(path, "r")
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(headerBytesMax), 0, headerBytesMax, 0)
        const read = buffer.subarray(0, bytesRead)
        const text = isGzip(read) ? gunzipSync(read, { finishFlush: constants.Z_SYNC_FLUSH }) : read
        return text.toString("utf8", 0, headerBytesMax).split(/\r?\n/, 1)[0] ?? ""
      } finally {
        await file.close()
      }
    },
    catch: unfitBy(path)
  })

/** The text of a table, unpacked. */
export const readTableText = (path: string): Effect.Effect<string, InputTableUnfit> =>
  Effect.tryPromise({
    try: async () => {
      const { size } = statSync(path)
      if (size > inputTableLimits.bytes) {
        const reason = `it has ${size} bytes, ${inputTableLimits.bytes} are allowed`
        throw new InputTableUnfit({ path, reason })
      }
      const bytes = await readFile(path)
      const plain = isGzip(bytes) ? gunzipSync(bytes, { maxOutputLength: inputTableLimits.bytes }) : bytes
      return plain.toString("utf8")
    },
    catch: unfitBy(path)
  })
