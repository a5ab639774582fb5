import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { artefactFiles } from "../../../src/agents/model-manager/ArtefactFiles.ts"
import { ArtefactRefused, UnknownModel } from "../../../src/protocols/errors.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { artefactOf } from "./manifests.ts"

const bytes = artefactOf("a")
const digest = sha256(bytes)

/** A folder of artefacts with one in it, and where that lies. */
const kept = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const folder = join(directory, "models")
  const files = artefactFiles(folder)
  yield* files.write(digest, bytes)
  return { directory, files, folder, path: join(folder, `${digest}.onnx`) }
})

const refusalOf = <A, E>(effect: Effect.Effect<A, E>) => Effect.flip(effect)

describe("artefacts on disk", () => {
  it.scoped("are named by their content, written once and read back whole", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* kept
      expect(readdirSync(folder)).toEqual([`${digest}.onnx`])
      expect(files.has(digest)).toBe(true)
      expect(Buffer.from(yield* files.read(digest)).equals(bytes)).toBe(true)
      yield* files.write(digest, bytes)
      expect(readdirSync(folder)).toEqual([`${digest}.onnx`])
    })
  )

  it.scoped("can be read by nobody else", () =>
    Effect.gen(function* () {
      const { path } = yield* kept
      expect(statSync(path).mode & 0o077).toBe(0)
    })
  )

  it.scoped("are any bytes", () =>
    Effect.gen(function* () {
      const { files } = yield* kept
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 4_000 }), async (content) => {
            const name = sha256(content)
            await Effect.runPromise(files.write(name, content))
            expect([...(await Effect.runPromise(files.read(name)))]).toEqual([...content])
          }),
          { numRuns: 30 }
        )
      )
    })
  )

  it.scoped("are refused under another digest than their own, and nothing is left of them", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* kept
      const other = sha256("another")
      const refused = yield* refusalOf(files.write(other, bytes))
      expect(refused).toBeInstanceOf(ArtefactRefused)
      expect(refused.message).toContain(digest.slice(0, 12))
      expect(files.has(other)).toBe(false)
      expect(readdirSync(folder)).toEqual([`${digest}.onnx`])
    })
  )

  it.scoped("that are not there are unknown", () =>
    Effect.gen(function* () {
      const { files } = yield* kept
      expect(yield* refusalOf(files.read(sha256("another")))).toBeInstanceOf(UnknownModel)
      yield* files.remove(digest)
      expect(yield* refusalOf(files.read(digest))).toBeInstanceOf(UnknownModel)
      yield* files.remove(digest)
    })
  )

  it.scoped("are refused when they are truncated, empty, grown or flipped, anywhere", () =>
    Effect.gen(function* () {
      const { files, path } = yield* kept
      const damaged = (content: Uint8Array) => {
        writeFileSync(path, content)
        return Effect.runPromise(refusalOf(files.read(digest)))
      }
      truncateSync(path, bytes.byteLength - 1)
      expect(yield* refusalOf(files.read(digest))).toBeInstanceOf(ArtefactRefused)
      expect(yield* Effect.promise(() => damaged(new Uint8Array()))).toBeInstanceOf(ArtefactRefused)
      expect(yield* Effect.promise(() => damaged(Buffer.concat([bytes, Buffer.from([0])])))).toBeInstanceOf(
        ArtefactRefused
      )
      const anyBit = fc.asyncProperty(fc.nat(bytes.byteLength - 1), fc.nat(7), async (at, bit) => {
        const flipped = Uint8Array.from(bytes)
        flipped[at] = (flipped[at] as number) ^ (1 << bit)
        expect(await damaged(flipped)).toBeInstanceOf(ArtefactRefused)
      })
      yield* Effect.promise(() => fc.assert(anyBit, { numRuns: 50 }))
      // What is written anew under its digest is sound again.
      yield* files.write(digest, bytes)
      expect(Buffer.from(yield* files.read(digest)).equals(bytes)).toBe(true)
    })
  )

  it.scoped("are refused as links, symbolic or hard, even to what they should be", () =>
    Effect.gen(function* () {
      const { directory, files, path } = yield* kept
      const elsewhere = join(directory, "elsewhere.onnx")
      linkSync(path, elsewhere)
      expect(yield* refusalOf(files.read(digest))).toBeInstanceOf(ArtefactRefused)
      renameSync(path, join(directory, "moved.onnx"))
      symlinkSync(elsewhere, path)
      expect(yield* refusalOf(files.read(digest))).toBeInstanceOf(ArtefactRefused)
    })
  )

  it.scoped("are refused when their place is a folder", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* kept
      const other = sha256("a folder")
      mkdirSync(join(folder, `${other}.onnx`))
      expect(yield* refusalOf(files.read(other))).toBeInstanceOf(ArtefactRefused)
    })
  )
})

describe("ids that are no digests", () => {
  const hostile = (directory: string) => [
    "",
    ".",
    "..",
    "../secret",
    "../../etc/passwd",
    "%2e%2e%2fsecret",
    "..%2fsecret",
    join(directory, "secret"),
    `${join(directory, "secret")}\0`,
    "secret\0",
    "..\\secret",
    digest.toUpperCase(),
    `${digest}/`,
    `${digest}/../../secret`,
    ` ${digest}`,
    `${digest}\n`,
    "x".repeat(5_000),
    "__proto__"
  ]

  it.scoped("are refused by a typed error before anything is opened, written or removed", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* kept
      const secret = join(directory, "secret.onnx")
      writeFileSync(secret, "secret")
      for (const id of hostile(directory)) {
        expect(files.has(id), id).toBe(false)
        expect(yield* refusalOf(files.read(id)), id).toBeInstanceOf(ArtefactRefused)
        expect(yield* refusalOf(files.write(id, bytes)), id).toBeInstanceOf(ArtefactRefused)
        yield* files.remove(id)
      }
      expect(readFileSync(secret, "utf8")).toBe("secret")
      expect(readdirSync(directory).sort()).toEqual(["models", "secret.onnx"])
    })
  )
})

describe("writing an artefact", () => {
  it.scoped("goes over what a crash left beside its place", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* kept
      const next = artefactOf("b")
      const name = sha256(next)
      writeFileSync(join(folder, `${name}.onnx.part`), "half of som")
      expect(files.has(name)).toBe(false)
      expect(yield* refusalOf(files.read(name))).toBeInstanceOf(UnknownModel)
      yield* files.write(name, next)
      expect(Buffer.from(yield* files.read(name)).equals(next)).toBe(true)
      expect(readdirSync(folder).sort()).toEqual([`${digest}.onnx`, `${name}.onnx`].sort())
    })
  )

  it.scoped(
    "fails with a typed error where there is no folder to write to, and leaves the others as they are",
    () =>
      Effect.gen(function* () {
        const { directory, files } = yield* kept
        const blocked = join(directory, "a-file")
        writeFileSync(blocked, "")
        const error = yield* refusalOf(artefactFiles(join(blocked, "models")).write(digest, bytes))
        expect(error._tag).toBe("StorageFailed")
        expect(Buffer.from(yield* files.read(digest)).equals(bytes)).toBe(true)
        expect(existsSync(join(blocked, "models"))).toBe(false)
      })
  )
})
