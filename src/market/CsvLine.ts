/**
 * One line of a CSV file into its fields (RFC 4180). Almost every line of a bar file is plain, and is split
 * by the engine's own `split`; a line with a quote in it takes the careful way.
 *
 * A field with a line break inside its quotes is not supported: bar files have none, and the file is read
 * line by line. Such a line has an open quote and is refused as a row.
 */

/** What separates the fields: a comma, unless the header has none and has semicolons or tabs. */
export const delimiterOf = (header: string): string => {
  if (header.includes(",")) return ","
  return header.includes(";") ? ";" : header.includes("\t") ? "\t" : ","
}

const splitQuoted = (line: string, delimiter: string): Array<string> | undefined => {
  const fields: Array<string> = []
  let at = 0
  for (;;) {
    if (line[at] === '"') {
      let field = ""
      let from = at + 1
      for (;;) {
        const quote = line.indexOf('"', from)
        if (quote === -1) return undefined
        field += line.slice(from, quote)
        from = quote + 1
        if (line[from] !== '"') break
        field += '"'
        from++
      }
      if (from < line.length && line[from] !== delimiter) return undefined
      fields.push(field)
      at = from
    } else {
      const end = line.indexOf(delimiter, at)
      at = end === -1 ? line.length : end
      fields.push(line.slice(fieldStart(line, at, delimiter), at))
    }
    if (at >= line.length) return fields
    at++
    // A delimiter at the very end opens one more, empty field.
    if (at === line.length) {
      fields.push("")
      return fields
    }
  }
}

/** Where the unquoted field that ends before `end` begins. */
const fieldStart = (line: string, end: number, delimiter: string): number =>
  end === 0 ? 0 : line.lastIndexOf(delimiter, end - 1) + 1

/** The fields of a line, untrimmed; `undefined` where the quotes do not match. */
export const splitLine = (line: string, delimiter: string): Array<string> | undefined =>
  line.includes('"') ? splitQuoted(line, delimiter) : line.split(delimiter)
