import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as ModelManagerAgent from "../../../src/agents/model-manager/ModelManagerAgent.ts"
import { callAgent, NodeContext } from "../../../src/agents/NodeContext.ts"
import { type ModelManifest, modelsStream } from "../../../src/protocols/Model.ts"
import { ModelManagerControlRpcs, ModelManagerRpcs } from "../../../src/protocols/rpc/ModelManagerRpcs.ts"
import { sha256 } from "../../../src/protocols/wire/Json.ts"
import { Limits } from "../../../src/protocols/wire/Limits.ts"
import type { Bus } from "../../../src/runtime/Bus.ts"
import type { DeadLetters } from "../../../src/runtime/DeadLetters.ts"
import { Journal } from "../../../src/runtime/Journal.ts"
import type { Leases } from "../../../src/runtime/Leases.ts"
import type { Store } from "../../../src/runtime/Store.ts"
import { asOfAt } from "../feedEvents.ts"
import { nodeServices, startAgent } from "../nodeServices.ts"
import { settingsWith } from "../settings.ts"
import { alias, artefactOf, manifestOf } from "./manifests.ts"

type Services = Bus | DeadLetters | Journal | Leases | NodeContext | Store | Scope.Scope

const settings = settingsWith({ "models.versionsMax": 3 })

/** A life of the model manager, with what asks it. */
const life = Effect.gen(function* () {
  const fiber = yield* startAgent(ModelManagerAgent.run)
  const manager = yield* callAgent(ModelManagerRpcs, "model-manager")
  const control = yield* callAgent(ModelManagerControlRpcs, "model-manager", "control")
  const { directory } = yield* NodeContext
  const publish = (name: string, changes: Partial<ModelManifest> = {}) => {
    const manifest = manifestOf(name, changes)
    return Effect.as(control.Publish({ manifest, offset: 0, chunk: artefactOf(name) }), manifest.digest)
  }
  const activate = (version: string, expected: string | null) =>
    control.Activate({ alias, version, expected, since: asOfAt(100), reason: "it was better" })
  return { manager, control, publish, activate, fiber, folder: join(directory, "models") }
})

const check = (name: string, body: Effect.Effect<void, unknown, Services>) =>
  it.scopedLive(name, () => Effect.provide(body, nodeServices(settings)))

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

describe("the model manager", () => {
  check(
    "takes an artefact in, gives it out, and says what it is",
    Effect.gen(function* () {
      const { manager, publish } = yield* life
      const digest = yield* publish("a")
      const { bytes, chunk } = yield* manager.Fetch({ version: digest, offset: 0 })
      expect(bytes).toBe(artefactOf("a").byteLength)
      expect(sha256(chunk)).toBe(digest)
      expect(yield* manager.Manifest({ version: digest })).toEqual(manifestOf("a"))
      expect(yield* tagOf(manager.Manifest({ version: sha256("b") }))).toBe("UnknownModel")
      expect(yield* tagOf(manager.Fetch({ version: sha256("b"), offset: 0 }))).toBe("UnknownModel")
    })
  )

  check(
    "puts a large artefact together from its pieces, and refuses what does not add up",
    Effect.gen(function* () {
      const { control, manager } = yield* life
      const artefact = Buffer.alloc(Limits.artefactChunkBytes * 2 + 11, "large")
      const manifest = manifestOf("large", { digest: sha256(artefact), bytes: artefact.byteLength })
      const piece = (offset: number) =>
        control.Publish({
          manifest,
          offset,
          chunk: artefact.subarray(offset, offset + Limits.artefactChunkBytes)
        })
      expect(yield* tagOf(piece(Limits.artefactChunkBytes))).toBe("ArtefactRefused")
      expect(yield* piece(0)).toEqual({ complete: false, received: Limits.artefactChunkBytes })
      yield* piece(Limits.artefactChunkBytes)
      const last = yield* piece(Limits.artefactChunkBytes * 2)
      expect(last).toEqual({ complete: true, received: artefact.byteLength })
      const second = yield* manager.Fetch({ version: manifest.digest, offset: Limits.artefactChunkBytes * 2 })
      expect(second.chunk.byteLength).toBe(11)
      const short = manifestOf("short", { bytes: 5 })
      const tooLong = control.Publish({ manifest: short, offset: 0, chunk: artefactOf("short") })
      expect(yield* tagOf(tooLong)).toBe("ArtefactRefused")
    })
  )

  check(
    "refuses an artefact that is not what its manifest says, and lists nothing of it",
    Effect.gen(function* () {
      const { control, folder, manager, publish } = yield* life
      yield* publish("a")
      const manifest = manifestOf("b")
      const flipped = Uint8Array.from(artefactOf("b"))
      flipped[7] = (flipped[7] as number) ^ 1
      expect(yield* tagOf(control.Publish({ manifest, offset: 0, chunk: flipped }))).toBe("ArtefactRefused")
      expect((yield* manager.Models({})).versions.map(({ digest }) => digest)).toEqual([
        manifestOf("a").digest
      ])
      expect(readdirSync(folder).length).toBe(1)
    })
  )

  check(
    "publishes once, and mends on the way an artefact that was damaged on disk",
    Effect.gen(function* () {
      const { folder, manager, publish } = yield* life
      const journal = yield* Journal
      const digest = yield* publish("a")
      const before = yield* journal.last(modelsStream)
      yield* publish("a")
      expect(yield* journal.last(modelsStream)).toBe(before)
      writeFileSync(join(folder, `${digest}.onnx`), "damaged")
      expect(yield* tagOf(manager.Fetch({ version: digest, offset: 0 }))).toBe("ArtefactRefused")
      yield* publish("a")
      expect(sha256((yield* manager.Fetch({ version: digest, offset: 0 })).chunk)).toBe(digest)
      expect(yield* journal.last(modelsStream)).toBe(before)
    })
  )
})

describe("activating a version", () => {
  check(
    "makes it serve, with the way back to what served before",
    Effect.gen(function* () {
      const { activate, manager, publish } = yield* life
      expect(yield* manager.Active({ alias })).toBeNull()
      const [a, b] = [yield* publish("a"), yield* publish("b")] as const
      expect(yield* activate(a, null)).toMatchObject({ version: a, previous: null, share: 1 })
      expect(yield* activate(b, a)).toMatchObject({ version: b, previous: a })
      expect(yield* manager.Active({ alias })).toMatchObject({ version: b, previous: a })
      expect(yield* manager.Active({ alias: "deep-learning/linear/1d" })).toBeNull()
    })
  )

  check(
    "is refused when something else serves than the caller believes, and changes nothing then",
    Effect.gen(function* () {
      const { activate, manager, publish } = yield* life
      const [a, b] = [yield* publish("a"), yield* publish("b")] as const
      yield* activate(a, null)
      for (const expected of [null, b]) {
        expect(yield* Effect.flip(activate(b, expected))).toMatchObject({
          _tag: "DeploymentConflict",
          active: a
        })
      }
      expect(yield* manager.Active({ alias })).toMatchObject({ version: a, previous: null })
    })
  )

  check(
    "of what serves already answers with what serves, whatever is believed",
    Effect.gen(function* () {
      const { activate, publish } = yield* life
      const a = yield* publish("a")
      const first = yield* activate(a, null)
      expect(yield* activate(a, null)).toEqual(first)
    })
  )

  check(
    "is refused to what is unknown, to what was worse than the base rate, and to what cannot be read back",
    Effect.gen(function* () {
      const { activate, folder, manager, publish } = yield* life
      const a = yield* publish("a")
      yield* activate(a, null)
      expect(yield* tagOf(activate(sha256("nothing"), a))).toBe("UnknownModel")
      const worse = yield* publish("worse", {
        metrics: [
          { name: "log-loss", value: 1.2 },
          { name: "base-log-loss", value: 1.1 }
        ]
      })
      expect(yield* tagOf(activate(worse, a))).toBe("ArtefactRefused")
      const b = yield* publish("b")
      for (const damage of ["", "random bytes", artefactOf("b").slice(1)]) {
        writeFileSync(join(folder, `${b}.onnx`), damage)
        expect(yield* tagOf(activate(b, a))).toBe("ArtefactRefused")
      }
      expect(yield* manager.Active({ alias })).toMatchObject({ version: a })
      expect(sha256((yield* manager.Fetch({ version: a, offset: 0 })).chunk)).toBe(a)
    })
  )

  check(
    "is the old or the new after a crash, never between: what is not in the journal has not happened",
    Effect.gen(function* () {
      const first = yield* life
      const a = yield* first.publish("a")
      yield* first.activate(a, null)
      const b = yield* first.publish("b")
      yield* first.fiber.interruptAsFork(first.fiber.id())
      yield* first.fiber.await
      // The file of another version had been written when the process died, and its event had not.
      const c = manifestOf("c")
      writeFileSync(join(first.folder, `${c.digest}.onnx`), artefactOf("c"))
      const second = yield* life
      expect(yield* second.manager.Active({ alias })).toMatchObject({ version: a })
      expect(yield* tagOf(second.activate(c.digest, a))).toBe("UnknownModel")
      yield* second.publish("c")
      yield* second.activate(b, a)
      yield* second.fiber.interruptAsFork(second.fiber.id())
      yield* second.fiber.await
      const third = yield* life
      expect(yield* third.manager.Active({ alias })).toMatchObject({ version: b, previous: a })
      expect((yield* third.manager.Models({})).versions.length).toBe(3)
    })
  )
})

describe("the version limit", () => {
  check(
    "removes the oldest artefacts beyond it, never one that serves or served before",
    Effect.gen(function* () {
      const { activate, folder, manager, publish } = yield* life
      const digests: Array<string> = []
      const [a, b] = [yield* publish("a"), yield* publish("b")] as const
      yield* activate(a, null)
      yield* activate(b, a)
      for (const name of ["c", "d", "e", "f"]) digests.push(yield* publish(name))
      const [c, , e, f] = digests as [string, string, string, string]
      const files = readdirSync(folder).map((name) => name.replace(".onnx", ""))
      expect(files.sort()).toEqual([a, b, digests[1], e, f].sort())
      expect(yield* tagOf(manager.Fetch({ version: c, offset: 0 }))).toBe("UnknownModel")
      expect(yield* manager.Manifest({ version: c })).toEqual(manifestOf("c"))
      expect(yield* tagOf(activate(c, b))).toBe("UnknownModel")
      expect(sha256((yield* manager.Fetch({ version: a, offset: 0 })).chunk)).toBe(a)
    })
  )
})
