/** What a training has learned from, as one digest. */
import { createHash } from "node:crypto"
import type { BarSeries } from "../../market/BarSeries.ts"

/** SHA-256 of all columns. */
export const barsDigest = (instruments: ReadonlyArray<BarSeries>): string => {
  const hash = createHash("sha256")
  for (const { close, high, instrument, low, open, openTime, volume } of instruments) {
    hash.update(instrument.id)
    for (const column of [openTime, open, high, low, close, volume ?? new Float64Array()]) {
      hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
    }
  }
  return hash.digest("hex")
}
