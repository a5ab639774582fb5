/**
 * Files of sentences, plain or gzip: labelled ones to learn from (CSV with the columns sentence, label and, if it is known,
 * agreement, in any order; further columns are passed over), and plain ones to be scored (a CSV with a column sentence, or a
 * sentence a line).
 *
 * What can go wrong: columns that are missing, a row of another length than the header, an empty or overlong sentence, a label
 * that is none, an agreement that is no percentage: the first of them is told with its line, and nothing of the file is used
 * (SentenceFileUnfit).
 */
import { Effect, Either } from "effect"
import { sentiments } from "../../learning/text/SentenceClassifier.ts"
import { delimiterOf, splitLine } from "../../market/CsvLine.ts"
import { readTableText } from "../training/InputTable.ts"
import { SentenceFileUnfit } from "./errors.ts"

export const sentenceFileLimits = { sentences: 50_000, sentenceChars: 4_000 } as const

export interface LabelledSentence {
  readonly sentence: string
  /** Its place in `sentiments`. */
  readonly label: number
  /** Percentage of those who labelled it that agreed; null where it is not said. */
  readonly agreement: number | null
}

const labelNames: ReadonlyArray<string> = sentiments

/** What is said of a field may be anything. */
const shown = (field: string): string => field.replace(/\p{C}/gu, "").slice(0, 40)

interface Row {
  readonly fields: ReadonlyArray<string>
  /** As an editor counts. */
  readonly line: number
}

interface Rows {
  readonly header: ReadonlyArray<string>
  readonly rows: ReadonlyArray<Row>
}

const linesOf = (text: string): ReadonlyArray<string> => text.replace(/^\ufeff/, "").split(/\r?\n/)

/** The left is the end of a sentence. */
const rowsOf = (text: string): Either.Either<Rows, string> => {
  const lines = linesOf(text)
  const [first = ""] = lines
  const delimiter = delimiterOf(first)
  const header = splitLine(first, delimiter)?.map((name) => name.trim().toLowerCase()) ?? []
  const rows: Array<Row> = []
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string
    if (line.trim() === "") continue
    const fields = splitLine(line, delimiter)
    if (fields === undefined) return Either.left(`line ${i + 1} has a quote that is not closed`)
    if (fields.length !== header.length) {
      return Either.left(`line ${i + 1} has ${fields.length} fields, the header has ${header.length}`)
    }
    if (rows.length === sentenceFileLimits.sentences) {
      return Either.left(`it has more than ${sentenceFileLimits.sentences} sentences`)
    }
    rows.push({ fields, line: i + 1 })
  }
  return rows.length === 0 ? Either.left("it has no sentences") : Either.right({ header, rows })
}

const sentenceOf = (field: string, line: number): Either.Either<string, string> => {
  const sentence = field.trim()
  if (sentence === "") return Either.left(`line ${line} has an empty sentence`)
  const { sentenceChars } = sentenceFileLimits
  return sentence.length <= sentenceChars
    ? Either.right(sentence)
    : Either.left(
        `line ${line} has a sentence of ${sentence.length} characters, ${sentenceChars} are allowed`
      )
}

const agreementOf = (field: string, line: number): Either.Either<number | null, string> => {
  const text = field.trim()
  if (text === "") return Either.right(null)
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  return value > 0 && value <= 100
    ? Either.right(value)
    : Either.left(`line ${line} has the agreement "${shown(text)}", which is no percentage`)
}

/** The left is the end of a sentence. */
export const parseLabelled = (text: string): Either.Either<ReadonlyArray<LabelledSentence>, string> =>
  Either.gen(function* () {
    const first = linesOf(text)[0] ?? ""
    const names = splitLine(first, delimiterOf(first))?.map((name) => name.trim().toLowerCase()) ?? []
    // Before the rows: of a file that is something else their lengths say nothing.
    for (const name of ["sentence", "label"]) {
      if (!names.includes(name)) yield* Either.left(`its header has no column "${name}"`)
    }
    const { header, rows } = yield* rowsOf(text)
    const [sentenceAt, labelAt, agreementAt] = ["sentence", "label", "agreement"].map((name) =>
      header.indexOf(name)
    ) as [number, number, number]
    const read: Array<LabelledSentence> = []
    for (const { fields, line } of rows) {
      const named = (fields[labelAt] as string).trim().toLowerCase()
      const label = labelNames.indexOf(named)
      if (label < 0) {
        yield* Either.left(
          `line ${line} has the label "${shown(named)}", not one of ${sentiments.join(", ")}`
        )
      }
      const sentence = yield* sentenceOf(fields[sentenceAt] as string, line)
      const agreement = yield* agreementOf(fields[agreementAt] ?? "", line)
      read.push({ sentence, label, agreement })
    }
    return read
  })

/** The left is the end of a sentence. */
export const parseSentences = (text: string): Either.Either<ReadonlyArray<string>, string> =>
  Either.gen(function* () {
    const lines = linesOf(text)
    const first = lines[0] ?? ""
    const names = splitLine(first, delimiterOf(first))?.map((name) => name.trim().toLowerCase()) ?? []
    const column = names.indexOf("sentence")
    const found =
      column < 0
        ? lines.map((line, i) => ({ field: line, line: i + 1 })).filter(({ field }) => field.trim() !== "")
        : (yield* rowsOf(text)).rows.map(({ fields, line }) => ({ field: fields[column] as string, line }))
    if (found.length === 0) yield* Either.left("it has no sentences")
    if (found.length > sentenceFileLimits.sentences) {
      yield* Either.left(`it has more than ${sentenceFileLimits.sentences} sentences`)
    }
    const sentences: Array<string> = []
    for (const { field, line } of found) sentences.push(yield* sentenceOf(field, line))
    return sentences
  })

const readWith =
  <A>(parse: (text: string) => Either.Either<A, string>) =>
  (path: string): Effect.Effect<A, SentenceFileUnfit> =>
    readTableText(path).pipe(
      Effect.mapError(({ reason }) => reason),
      Effect.flatMap(parse),
      Effect.mapError((reason) => new SentenceFileUnfit({ path, reason }))
    )

export const readLabelled = readWith(parseLabelled)
export const readSentences = readWith(parseSentences)
