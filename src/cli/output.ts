/**
 * Standard output for results, standard error for everything else. Writing waits for the reader, and a reader that
 * has gone away (a closed pipe) ends the program quietly.
 */
import { Effect } from "effect"

/** Ends the program when nobody reads its results any more. */
export const endWithReader = () => {
  process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
    if (cause.code === "EPIPE") process.exit(0)
    throw cause
  })
}

/** Writes text and waits until it has been taken. */
export const write = (text: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    process.stdout.write(text, () => resume(Effect.void))
  })

export const writeLine = (text: string): Effect.Effect<void> => write(`${text}\n`)

export const writeJson = (value: unknown): Effect.Effect<void> => writeLine(JSON.stringify(value))

/** For people, beside the results. */
export const note = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stderr.write(`${text}\n`)
  })

/** Columns side by side, numbers to the right. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths: Array<number> = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  const isNumber = (cell: string) => /^[-+]?[\d.,]+[%a-z]*$/i.test(cell)
  return rows
    .map((row) =>
      row
        .map((cell, i) => (isNumber(cell) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
