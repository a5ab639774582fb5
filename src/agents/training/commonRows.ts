/**
 * Two models see the same question each among the instruments that it looks at together. These are the questions that both
 * can be asked, once as the rows of the one and once as those of the other.
 *
 * Invariant: row by row both are about one instrument and one as-of.
 */
import type { Steps } from "../../learning/steps.ts"
import { pickRows, type QuestionRows } from "./QuestionRows.ts"

const rowsPerSlice = 2_000

const instrumentOf = ({ instrument, instruments }: QuestionRows, row: number): string =>
  instruments[instrument[row] as number]?.instrument.id ?? ""

export function* commonRows(
  one: QuestionRows,
  other: QuestionRows
): Steps<{ readonly one: QuestionRows; readonly other: QuestionRows }> {
  const found = new Map<string, Map<number, number>>()
  for (let row = 0; row < other.rows; row++) {
    if (row % rowsPerSlice === 0) yield
    const instrument = instrumentOf(other, row)
    const rows = found.get(instrument) ?? new Map<number, number>()
    found.set(instrument, rows.set(other.asOf[row] as number, row))
  }
  const ofOne: Array<number> = []
  const ofOther: Array<number> = []
  for (let row = 0; row < one.rows; row++) {
    if (row % rowsPerSlice === 0) yield
    const match = found.get(instrumentOf(one, row))?.get(one.asOf[row] as number)
    if (match === undefined) continue
    ofOne.push(row)
    ofOther.push(match)
  }
  return { one: pickRows(one, Uint32Array.from(ofOne)), other: pickRows(other, Uint32Array.from(ofOther)) }
}
