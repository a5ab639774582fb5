/** Stores of a test: one that is gone afterwards, and one in a folder that is opened again and again. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, Logger } from "effect"
import * as Store from "../../src/runtime/Store.ts"
import { temporaryDirectory } from "./directory.ts"

export const storePath = (directory: string) => join(directory, "store.db")

/** A life of the store in a folder: every time that it is provided, it is opened anew. */
export const storeIn = (directory: string, durability: Store.Durability = "process") =>
  Store.layer({ path: storePath(directory), durability })

export const temporaryStore = (durability?: Store.Durability) =>
  Layer.unwrapScoped(Effect.map(temporaryDirectory, (directory) => storeIn(directory, durability)))

export const quiet = Logger.remove(Logger.defaultLogger)

/** Flips one bit of the only place in a closed database's file where the text stands. */
export const flipBitOf = (directory: string, text: string) =>
  Effect.sync(() => {
    const path = storePath(directory)
    const file = readFileSync(path)
    const at = file.indexOf(text)
    if (at < 0 || file.indexOf(text, at + 1) >= 0) throw new Error(`"${text}" is not once in ${path}`)
    file.writeUInt8(file.readUInt8(at) ^ 0x01, at)
    writeFileSync(path, file)
  })
