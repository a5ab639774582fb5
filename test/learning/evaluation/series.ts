/** Series for tests: columns of different character that a linear forecast can say something about. */
import { Either } from "effect"
import {
  type Series,
  type WindowShape,
  type Windows,
  windowsWithin
} from "../../../src/learning/evaluation/Windows.ts"
import { keyedRandom } from "../../../src/protocols/wire/KeyedRandom.ts"

/** Column c is a noisy wave of 5 + c rows around a slow walk. */
export const waves = (key: string, rows: number, columns: number): Series => {
  const random = keyedRandom("waves", key)
  const values = new Float64Array(rows * columns)
  const level = new Float64Array(columns)
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < columns; c++) {
      level[c] = 0.99 * (level[c] as number) + 0.1 * random.normal()
      values[row * columns + c] =
        (level[c] as number) + Math.sin((2 * Math.PI * row) / (5 + c)) + 0.2 * random.normal()
    }
  }
  return { values, rows, columns }
}

export const allWindows = (series: Series, shape: WindowShape): Windows =>
  Either.getOrThrow(windowsWithin(series, { first: 0, end: series.rows }, shape))
