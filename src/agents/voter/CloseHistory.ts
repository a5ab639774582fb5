/** The latest closes of one instrument with their times, as far back as a voter needs: plain data, changed in place. */
import { Schema } from "effect"
import { windowCloses } from "../../market/Features.ts"
import type { Bar } from "../../protocols/Bar.ts"
import type { Window } from "./Learner.ts"

export interface CloseHistory {
  readonly openTimes: Array<number>
  /** When the bars closed: by their calendar, which may be before the interval ends. */
  readonly asOfs: Array<number>
  readonly opens: Array<number>
  readonly closes: Array<number>
  closeOnly: boolean
}

/** For snapshots: the four columns one after the other as float64, little endian, in base64. */
export const EncodedHistory = Schema.Struct({ columns: Schema.String, closeOnly: Schema.Boolean })
export type EncodedHistory = typeof EncodedHistory.Type

/** A little more than is kept, so that the front is not cut off at every bar. */
const slack = 64

const columnsOf = ({ asOfs, closes, openTimes, opens }: CloseHistory) => [openTimes, asOfs, opens, closes]

export const emptyHistory = (): CloseHistory => ({
  ...{ openTimes: [], asOfs: [], opens: [], closes: [] },
  closeOnly: false
})

export const encodeHistory = (history: CloseHistory): EncodedHistory => ({
  columns: Buffer.from(Float64Array.from(columnsOf(history).flat()).buffer).toString("base64"),
  closeOnly: history.closeOnly
})

export const decodeHistory = ({ closeOnly, columns }: EncodedHistory): CloseHistory => {
  const bytes = Buffer.from(columns, "base64")
  const all = [...new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))]
  const length = all.length / 4
  return {
    openTimes: all.slice(0, length),
    asOfs: all.slice(length, 2 * length),
    opens: all.slice(2 * length, 3 * length),
    closes: all.slice(3 * length),
    closeOnly
  }
}

/** Takes a bar in; false when it is not newer than the last. */
export const push = (history: CloseHistory, bar: Bar, keep: number): boolean => {
  const { asOfs, closes, openTimes, opens } = history
  if (bar.closeTime <= (asOfs.at(-1) ?? Number.NEGATIVE_INFINITY)) return false
  openTimes.push(bar.openTime)
  asOfs.push(bar.closeTime)
  opens.push(bar.open)
  closes.push(bar.close)
  history.closeOnly = bar.closeOnly
  if (asOfs.length > keep + slack) {
    for (const column of columnsOf(history)) column.splice(0, column.length - keep)
  }
  return true
}

/** The window that ends at an as-of, if it is whole. */
export const windowAt = (history: CloseHistory | undefined, asOf: number): Window | undefined => {
  if (history === undefined) return undefined
  const end = history.asOfs.lastIndexOf(asOf)
  return end + 1 < windowCloses ? undefined : { closes: history.closes, end }
}
