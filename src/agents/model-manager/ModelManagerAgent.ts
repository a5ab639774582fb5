/**
 * The model manager: takes artefacts in, says what serves, and gives artefacts out. An activation is one event of
 * the journal: before it the old version serves, after it the new one, whatever dies in between.
 */
import { Effect, Either, Request } from "effect"
import { ArtefactRefused, DeploymentConflict, StorageFailed, UnknownModel } from "../../protocols/errors.ts"
import {
  type Deployment,
  DeploymentActivated,
  type ModelManifest,
  modelEvents,
  modelsStream,
  VersionPublished,
  VersionRetired
} from "../../protocols/Model.ts"
import { ModelManagerControlRpcs, ModelManagerRpcs } from "../../protocols/rpc/ModelManagerRpcs.ts"
import { truncateReason } from "../../protocols/wire/Ids.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import * as Agent from "../../runtime/Agent.ts"
import * as Aggregate from "../../runtime/Aggregate.ts"
import type { AppendError } from "../../runtime/Journal.ts"
import { Leases } from "../../runtime/Leases.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { enveloped, NodeContext, serveAgent } from "../NodeContext.ts"
import { artefactFiles, artefactFolder } from "./ArtefactFiles.ts"
import { activeOf, empty, evolve, excessLoss, Registry, surplus } from "./Registry.ts"

const name = "model-manager"
const mailboxCapacityMax = 64
/** Artefacts that may be arriving at once, piece by piece. */
const uploadsMax = 8

class Publish extends Request.TaggedClass("Publish")<
  { readonly complete: boolean; readonly received: number },
  ArtefactRefused | StorageFailed,
  { readonly manifest: ModelManifest; readonly offset: number; readonly chunk: Uint8Array }
> {}
class Activate extends Request.TaggedClass("Activate")<
  Deployment,
  UnknownModel | DeploymentConflict | ArtefactRefused | StorageFailed,
  {
    readonly alias: string
    readonly version: string
    readonly expected: string | null
    readonly since: number
    readonly reason: string
  }
> {}
type Command = Publish | Activate

const storageFailed = (error: AppendError) => new StorageFailed({ reason: truncateReason(error.message) })

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { directory, run, settings } = yield* NodeContext
    const leases = yield* Leases
    yield* component.standby("waiting for the model manager's lease")
    const lease = yield* leases.acquire(name)
    const { deploymentThreshold, versionsMax } = settings.models
    const files = artefactFiles(artefactFolder(directory, settings))
    const registry = yield* Aggregate.open(
      {
        name: "models",
        version: 1,
        stream: modelsStream,
        events: modelEvents,
        initial: empty,
        evolve,
        snapshot: Registry,
        snapshotEvery: settings.store.snapshotEvery
      },
      { epoch: lease.epoch, eventsKept: settings.store.streamEventsMax }
    )
    const { state } = registry
    const agent = yield* Agent.make<Command>({ name, mailboxCapacityMax })
    yield* component.watchMailbox(agent.mailbox)
    yield* component.onStop(agent.drain)

    const about = (asOf: number, subject: string) => ({ run, source: name, asOf, subject }) as const
    const uploads = new Map<string, Uint8Array>()

    /** The whole artefact, once its last piece is here. */
    const assemble = ({ chunk, manifest, offset }: Publish) =>
      Effect.suspend((): Effect.Effect<Uint8Array | number, ArtefactRefused> => {
        const { bytes, digest } = manifest
        const refuse = (reason: string) => {
          uploads.delete(digest)
          return new ArtefactRefused({ digest, reason })
        }
        if (offset + chunk.byteLength > bytes) return refuse("it is longer than its manifest says")
        if (offset === 0) {
          if (chunk.byteLength === bytes) return Effect.succeed(chunk)
          if (uploads.size >= uploadsMax && !uploads.has(digest))
            return refuse("too many artefacts are arriving")
          uploads.set(digest, new Uint8Array(bytes))
        }
        const arriving = uploads.get(digest)
        if (arriving === undefined) return refuse("its first piece never came")
        arriving.set(chunk, offset)
        if (offset + chunk.byteLength < bytes) return Effect.succeed(offset + chunk.byteLength)
        uploads.delete(digest)
        return Effect.succeed(arriving)
      })

    const retire = Effect.gen(function* () {
      for (const digest of surplus(state(), versionsMax)) {
        const reason = `more than ${versionsMax} versions`
        const event = enveloped(about(0, `retired-${digest}`), { digest, reason })
        yield* registry.append(VersionRetired, event)
        yield* files.remove(digest)
      }
    })

    const behaviour: Agent.Behaviour<Command> = {
      Publish: (command) =>
        Effect.gen(function* () {
          const { manifest } = command
          const { bytes, digest, fittedAsOf } = manifest
          const isKnown =
            state().versions.some((version) => version.digest === digest) && !state().retired.includes(digest)
          // One that is damaged is taken in again.
          const isThere = isKnown && Either.isRight(yield* Effect.either(files.read(digest)))
          if (isThere) return { complete: true, received: bytes }
          const assembled = yield* assemble(command)
          if (typeof assembled === "number") return { complete: false, received: assembled }
          yield* files.write(digest, assembled)
          if (isKnown) return { complete: true, received: bytes }
          const event = enveloped(about(fittedAsOf, `published-${digest}`), manifest)
          yield* Effect.mapError(registry.append(VersionPublished, event), storageFailed)
          yield* Effect.mapError(retire, storageFailed)
          return { complete: true, received: bytes }
        }),
      Activate: ({ alias, expected, reason, since, version }) =>
        Effect.gen(function* () {
          const manifest = state().versions.find(({ digest }) => digest === version)
          if (manifest === undefined) return yield* new UnknownModel({ model: version })
          const active = activeOf(state(), alias)
          if (active?.version === version) return active
          if ((active?.version ?? null) !== expected) {
            return yield* new DeploymentConflict({ alias, expected, active: active?.version ?? null })
          }
          const excess = excessLoss(manifest)
          if (excess > deploymentThreshold) {
            const why = `its log loss is ${excess.toFixed(4)} above the base rate's, ${deploymentThreshold} is allowed`
            return yield* new ArtefactRefused({ digest: version, reason: why })
          }
          // What cannot be read back must not serve.
          yield* files.read(version)
          const deployment = { alias, version, previous: active?.version ?? null, share: 1, since, reason }
          const event = enveloped(about(since, `activated-${alias}-${version}`), deployment)
          yield* Effect.mapError(registry.append(DeploymentActivated, event), storageFailed)
          return deployment
        })
    }

    const control = ModelManagerControlRpcs.toLayer({
      Publish: (payload) => agent.ask(new Publish(payload)),
      Activate: (payload) => agent.ask(new Activate(payload))
    })
    /** Whole, checked when its first piece is asked for and kept until another's is. */
    let givenOut: { readonly version: string; readonly bytes: Uint8Array } | undefined
    const piecesOf = (version: string, offset: number) =>
      Effect.suspend(() => {
        if (offset > 0 && givenOut?.version === version) return Effect.succeed(givenOut.bytes)
        return Effect.tap(files.read(version), (bytes) =>
          Effect.sync(() => {
            givenOut = { version, bytes }
          })
        )
      })

    const handlers = ModelManagerRpcs.toLayer({
      Active: ({ alias }) => Effect.sync(() => activeOf(state(), alias) ?? null),
      Manifest: ({ version }) =>
        Effect.suspend(() => {
          const manifest = state().versions.find(({ digest }) => digest === version)
          return manifest === undefined ? new UnknownModel({ model: version }) : Effect.succeed(manifest)
        }),
      Fetch: ({ offset, version }) =>
        Effect.map(piecesOf(version, offset), (bytes) => ({
          bytes: bytes.byteLength,
          chunk: bytes.subarray(offset, offset + Limits.artefactChunkBytes)
        })),
      Models: () => Effect.sync(() => ({ deployments: state().deployments, versions: state().versions }))
    })
    yield* Effect.provide(serveAgent(ModelManagerRpcs, name), handlers)
    yield* Effect.provide(serveAgent(ModelManagerControlRpcs, name, "control"), control)
    yield* component.running()
    yield* Effect.all([agent.live(behaviour), lease.lost], { concurrency: "unbounded", discard: true })
  })
