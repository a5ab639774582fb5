/**
 * Artefacts on disk, named by the SHA-256 of their content. One is there whole or not at all: it is written beside
 * its place, synced, renamed, and the folder synced. It is read through the digest alone (no path comes from
 * outside) and checked against it every time.
 */
import { createHash } from "node:crypto"
import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs"
import { open, readFile, rename } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { ArtefactRefused, StorageFailed, UnknownModel } from "../../protocols/errors.ts"
import { Digest } from "../../protocols/wire/Ids.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import { stepwise } from "../../runtime/breathe.ts"
import { makeDirectory } from "../../runtime/makeDirectory.ts"
import type { Settings } from "../Settings.ts"
import { ArtefactDamaged } from "./errors.ts"

const extension = ".onnx"

const isDigest = Schema.is(Digest)
const noDigest = (id: string) =>
  new ArtefactRefused({ digest: id.slice(0, 64), reason: "its name is no digest" })

/** Where the artefacts of a run are, unless another place is configured. */
export const artefactFolder = (runDirectory: string, settings: Settings): string =>
  settings.models.registryPath === "" ? join(runDirectory, "models") : settings.models.registryPath

const failed = (cause: unknown) =>
  new StorageFailed({ reason: cause instanceof Error ? cause.message : String(cause) })

/** Bytes that are hashed at a time: about a millisecond. */
const hashedAtOnce = 512 * 1024

function* hashing(bytes: Uint8Array): Generator<void, string> {
  const hash = createHash("sha256")
  for (let at = 0; at < bytes.byteLength; at += hashedAtOnce) {
    hash.update(bytes.subarray(at, at + hashedAtOnce))
    yield
  }
  return hash.digest("hex")
}

const digestOf = (bytes: Uint8Array): Effect.Effect<string> => stepwise(hashing(bytes))

const attempt = <A>(work: () => Promise<A>) => Effect.tryPromise({ try: work, catch: failed })

const writeSynced = async (path: string, bytes: Uint8Array) => {
  const file = await open(path, "w", 0o600)
  try {
    // As often as it takes: a disk that is nearly full takes a part and says nothing.
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

const syncFolder = async (folder: string) => {
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A link could lead anywhere, and a second name for the file could change it under our hands. */
const isPlainFile = (path: string): boolean => {
  const stat = lstatSync(path)
  return stat.isFile() && stat.nlink === 1
}

export const artefactFiles = (folder: string) => {
  const pathOf = (digest: string) => join(folder, `${digest}${extension}`)

  return {
    folder,
    /**
     * Reads every artefact once. A run that goes on with one that is damaged would come to other results than it
     * would have otherwise, and nobody would know.
     */
    verify: Effect.gen(function* () {
      const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(extension)) : []
      for (const name of names) {
        const path = join(folder, name)
        const damaged = new ArtefactDamaged({ path })
        if (!isPlainFile(path)) return yield* damaged
        const bytes = yield* Effect.mapError(
          attempt(() => readFile(path)),
          () => damaged
        )
        if (`${yield* digestOf(bytes)}${extension}` !== name) return yield* damaged
      }
    }),
    has: (digest: string): boolean => isDigest(digest) && existsSync(pathOf(digest)),

    write: (digest: string, bytes: Uint8Array): Effect.Effect<void, ArtefactRefused | StorageFailed> =>
      Effect.gen(function* () {
        if (!isDigest(digest)) return yield* noDigest(digest)
        const actual = yield* digestOf(bytes)
        if (actual !== digest) {
          return yield* new ArtefactRefused({
            digest,
            reason: `its content has the digest ${actual.slice(0, 12)}`
          })
        }
        yield* attempt(async () => {
          makeDirectory(folder)
          await writeSynced(`${pathOf(digest)}.part`, bytes)
          await rename(`${pathOf(digest)}.part`, pathOf(digest))
          await syncFolder(folder)
        })
      }),

    read: (digest: string): Effect.Effect<Uint8Array, UnknownModel | ArtefactRefused | StorageFailed> =>
      Effect.gen(function* () {
        if (!isDigest(digest)) return yield* noDigest(digest)
        const path = pathOf(digest)
        if (!existsSync(path)) return yield* new UnknownModel({ model: digest })
        if (!isPlainFile(path)) return yield* new ArtefactRefused({ digest, reason: "it is a link" })
        const { size } = lstatSync(path)
        if (size > Limits.artefactBytesMax) {
          return yield* new ArtefactRefused({ digest, reason: `it has ${size} bytes` })
        }
        const bytes = yield* attempt(() => readFile(path))
        return (yield* digestOf(bytes)) === digest
          ? bytes
          : yield* new ArtefactRefused({ digest, reason: "its content does not match its digest" })
      }),

    remove: (digest: string): Effect.Effect<void> =>
      Effect.sync(() => (isDigest(digest) ? rmSync(pathOf(digest), { force: true }) : undefined))
  }
}

export type ArtefactFiles = ReturnType<typeof artefactFiles>
