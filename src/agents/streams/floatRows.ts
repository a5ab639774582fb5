/** Rows of numbers in snapshots: as float64, little endian, in base64, row by row. NaN comes back as NaN. */

/** @param numbersOf as many of each row */
export const encodeRows = <Row>(
  rows: ReadonlyArray<Row>,
  numbersOf: (row: Row) => ReadonlyArray<number>
): string => {
  const [first] = rows
  if (first === undefined) return ""
  const width = numbersOf(first).length
  const all = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    all.set(numbersOf(row), i * width)
  })
  return Buffer.from(all.buffer).toString("base64")
}

export const decodeRows = <Row>(
  text: string,
  width: number,
  rowOf: (numberAt: (place: number) => number) => Row
): Array<Row> => {
  const bytes = Buffer.from(text, "base64")
  const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  return Array.from({ length: all.length / width }, (_, row) =>
    rowOf((place) => all[row * width + place] as number)
  )
}
