/**
 * Feature vectors as a CSV: a row for each, with its as-of, the instrument if it has one, the features in the order of
 * their schema, and in the column `absent` what is empty and why (`correlation_24 undefined; range no-source`).
 *
 * Numbers are written with all their digits: read back, they are the same.
 */
import type { FeatureVector } from "../../market/features/FeatureValue.ts"
import { absences, isPresent } from "../../market/features/FeatureValue.ts"
import type { InstrumentId } from "../../protocols/Instrument.ts"
import type { FeatureSchema } from "../../protocols/Model.ts"
import type { Absence } from "../../protocols/Streams.ts"

export interface AbsentFeature {
  readonly feature: string
  readonly reason: Absence
  readonly rows: number
}

export interface FeatureTable {
  readonly schema: FeatureSchema
  /** The file, in parts that follow each other. */
  readonly parts: ReadonlyArray<Uint8Array>
  readonly rows: number
  /** As-ofs of the first and the last row; null where there is none. */
  readonly from: number | null
  readonly to: number | null
  /** What is absent in how many rows, feature by feature. */
  readonly absent: ReadonlyArray<AbsentFeature>
}

export interface FeatureTableBuilder {
  /** In the order of the as-ofs. */
  readonly add: (vector: FeatureVector, instrument?: InstrumentId) => void
  readonly finish: () => FeatureTable
}

const linesPerPart = 1_000

/** @param hasInstruments whether rows are of instruments, all or none of them */
export const makeFeatureTable = (schema: FeatureSchema, hasInstruments: boolean): FeatureTableBuilder => {
  const { names } = schema
  const counts = new Map<string, number>()
  const parts: Array<Uint8Array> = []
  let lines = [["as_of", ...(hasInstruments ? ["instrument"] : []), ...names, "absent"].join(",")]
  let rows = 0
  let from: number | null = null
  let to: number | null = null

  const flush = () => {
    if (lines.length > 0) parts.push(Buffer.from(`${lines.join("\n")}\n`))
    lines = []
  }

  return {
    add: ({ asOf, values }, instrument) => {
      const why: Array<string> = []
      const cells = values.map((value, k) => {
        if (isPresent(value)) return String(value)
        const what = `${names[k]} ${value}`
        why.push(what)
        counts.set(what, (counts.get(what) ?? 0) + 1)
        return ""
      })
      const of = instrument === undefined ? [] : [instrument]
      lines.push([new Date(asOf).toISOString(), ...of, ...cells, why.join("; ")].join(","))
      from ??= asOf
      to = asOf
      rows++
      if (lines.length >= linesPerPart) flush()
    },
    finish: () => {
      flush()
      const absent = names.flatMap((feature) =>
        absences.flatMap((reason) => {
          const absentRows = counts.get(`${feature} ${reason}`)
          return absentRows === undefined ? [] : [{ feature, reason, rows: absentRows }]
        })
      )
      return { schema, parts, rows, from, to, absent }
    }
  }
}
