/** Bar files of a test, in a folder of their own. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

export const hourMs = 3_600_000
export const startTime = Date.UTC(2024, 0, 1)

/** The text of a file of one instrument: bars of an hour that close at 100, 101, … */
export const barsText = (count: number, badRows: ReadonlyArray<number> = [], end = "\n"): string => {
  const rows = Array.from({ length: count }, (_, i) => {
    const close = badRows.includes(i) ? "none" : String(100 + i)
    return `${startTime + i * hourMs},100,${200 + i},50,${close},10`
  })
  return ["timestamp,open,high,low,close,volume", ...rows, ""].join(end)
}

/** A file of several instruments, one row for each at each time. */
export const longText = (symbols: ReadonlyArray<string>, count: number): string =>
  [
    "timestamp,symbol,open,high,low,close,volume",
    ...Array.from({ length: count }, (_, i) =>
      symbols.map(
        (symbol, k) => `${startTime + i * hourMs},${symbol},100,${201 + i + k},50,${100 + i + k},10`
      )
    ).flat(),
    ""
  ].join("\n")

export const put = (directory: string, name: string, content: string | Uint8Array): string => {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

export const zipped = (text: string): Uint8Array => gzipSync(text)
