import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { readBarFile } from "../../../src/agents/market-data/readBarFile.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { parse } from "../../market/parseBars.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { barsText, put, zipped } from "./files.ts"
import { until } from "./sources/sources.ts"

const closesOf = (read: { readonly series: ReadonlyArray<{ readonly close: Float64Array }> }) => [
  ...(read.series[0]?.close ?? [])
]
const refusal = (path: string, options: { readonly refusedShareMax?: number } = {}) =>
  Effect.flip(readBarFile({ path, ...options }))

describe("reading a bar file", () => {
  it.scopedLive("reads it line by line as the parser reads its text, and takes its digest", () =>
    Effect.gen(function* () {
      const text = barsText(300)
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", text)
      const { digest, strays, ...read } = yield* readBarFile({ path })
      expect(read).toEqual(parse(path, text))
      expect(strays).toBeNull()
      expect(read).toMatchObject({ bars: 300, refused: 0, timeFrame: "1h", layout: "single" })
      expect(digest).toBe(sha256(text))
    })
  )

  it.scopedLive("reads gzip by what is in the file, whatever it is called", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const content = zipped(barsText(300))
      for (const name of ["ALPHA_1h.csv.gz", "ALPHA_1h.csv"]) {
        const path = put(directory, name, content)
        const read = yield* readBarFile({ path })
        expect(read.bars).toBe(300)
        // Of the file as it lies on disk: unpacking and packing it again is another file.
        expect(read.digest).toBe(sha256(readFileSync(path)))
      }
      const plain = put(directory, "BETA_1h.csv.gz", barsText(300))
      expect((yield* readBarFile({ path: plain })).bars).toBe(300)
    })
  )

  it.scopedLive("gives the same bars for a file of a megabyte, plain and packed, whole or in chunks", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const text = barsText(30_000)
      expect(text.length).toBeGreaterThan(1_000_000)
      const plain = yield* readBarFile({ path: put(directory, "ALPHA_1h.csv", text) })
      const packed = yield* readBarFile({ path: put(directory, "ALPHA_1h.csv.gz", zipped(text)) })
      const expected = Array.from({ length: 30_000 }, (_, i) => 100 + i)
      expect(closesOf(plain)).toEqual(expected)
      expect(closesOf(packed)).toEqual(expected)
    })
  )

  it.scopedLive("takes lines that end as on Windows, and a last one that does not end", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const windows = yield* readBarFile({ path: put(directory, "ALPHA_1h.csv", barsText(50, [], "\r\n")) })
      const open = yield* readBarFile({ path: put(directory, "BETA_1h.csv", barsText(50).trimEnd()) })
      expect([windows.bars, windows.refused, open.bars, open.refused]).toEqual([50, 0, 50, 0])
    })
  )

  it.scopedLive("reads names that do not fit into a byte across the borders of chunks", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [header, ...rows] = barsText(2_000).trimEnd().split("\n")
      const text = [`${header},note`, ...rows.map((row) => `${row},${"ü€😀".repeat(20)}`)].join("\n")
      const read = yield* readBarFile({ path: put(directory, "ALPHA_1h.csv.gz", zipped(text)) })
      expect([read.bars, read.refused]).toEqual([2_000, 0])
    })
  )
})

describe("a bar file that cannot be read", () => {
  it.scopedLive("is refused by its path and the reason", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const missing = join(directory, "nowhere.csv")
      expect((yield* refusal(missing)).message).toBe(`${missing} cannot be read: there is no such file.`)
      expect((yield* refusal(directory)).message).toBe(`${directory} cannot be read: it is a folder.`)
      expect((yield* refusal(join(directory, "nul\0.csv")))._tag).toBe("FileUnreadable")
    })
  )

  it.scopedLive("is refused as no bar file, with what its first line says", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const error = yield* refusal(put(directory, "notes.csv", "name,age\nAda,36\n"))
      expect(error._tag).toBe("NotABarFile")
      expect(error.message).toContain("name, age")
      expect((yield* refusal(put(directory, "empty.csv", "")))._tag).toBe("NoBars")
      const random = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7_919) % 251)
      expect((yield* refusal(put(directory, "random.csv", random)))._tag).toBe("NotABarFile")
    })
  )

  it.scopedLive("is refused when it was packed and is cut off or damaged", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const content = zipped(barsText(2_000))
      const cut = yield* refusal(put(directory, "ALPHA_1h.csv.gz", content.subarray(0, content.length / 2)))
      expect(cut._tag).toBe("FileUnreadable")
      const flipped = Uint8Array.from(content)
      flipped[content.length - 6] = (flipped[content.length - 6] as number) ^ 0xff
      expect((yield* refusal(put(directory, "BETA_1h.csv.gz", flipped)))._tag).toBe("FileUnreadable")
      expect((yield* refusal(put(directory, "head.csv.gz", content.subarray(0, 2))))._tag).toBe(
        "FileUnreadable"
      )
    })
  )

  it.scopedLive.skipIf(!existsSync("/proc/self/fd"))("is closed, however early it was given up", () =>
    Effect.gen(function* () {
      const noise = Uint8Array.from({ length: 2_000_000 }, (_, i) => (i * 7_919) % 251)
      const damaged = Buffer.concat([gzipSync("date,close\n").subarray(0, 12), noise])
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv.gz", damaged)
      expect((yield* refusal(path))._tag).toBe("FileUnreadable")
      const isOpen = Effect.sync(() =>
        readdirSync("/proc/self/fd").some((fd) => {
          const link = Either.try(() => readlinkSync(`/proc/self/fd/${fd}`))
          return Either.isRight(link) && link.right === path
        })
      )
      yield* until(isOpen, (open) => !open)
    })
  )

  it.scopedLive("is refused when more than a twentieth of its rows is, and read when as much is", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const bad = (count: number) => Array.from({ length: count }, (_, i) => 10 + 2 * i)
      const fine = yield* readBarFile({ path: put(directory, "ALPHA_1h.csv", barsText(200, bad(10))) })
      expect([fine.bars, fine.refused, fine.refusals[0]?.line]).toEqual([190, 10, 12])
      const path = put(directory, "BETA_1h.csv", barsText(200, bad(11)))
      const error = yield* refusal(path)
      expect(error).toMatchObject({ _tag: "TooManyRowsRefused", refused: 11, rows: 200, firstLine: 12 })
      expect(error.message).toContain("5.5% where 5% are allowed")
      expect((yield* readBarFile({ path, refusedShareMax: 0.06 })).refused).toBe(11)
      expect((yield* refusal(path, { refusedShareMax: 0 }))._tag).toBe("TooManyRowsRefused")
    })
  )

  it.scopedLive(
    "is refused for a line that never ends, without gathering it: packed, a thousandth is enough",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const endless = `timestamp,open,high,low,close,volume\n${"1".repeat(64 * 1024 * 1024)}`
        const packed = gzipSync(endless)
        expect(packed.length).toBeLessThan(endless.length / 500)
        const error = yield* refusal(put(directory, "ALPHA_1h.csv.gz", packed))
        expect(["NoBars", "TooManyRowsRefused", "TimeFrameUnclear"]).toContain(error._tag)
      })
  )
})
