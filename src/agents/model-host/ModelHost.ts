/**
 * The node's side of its model host: artefacts in, opinions out. The child is started by its supervisor and
 * replaced when it dies; a request waits for a child to be there, for as long as its caller does.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { outputNames } from "../../learning/OpinionModel.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import { ChildFailed } from "../../runtime/errors.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import { hostKind, notLoaded, type RunAnswer, type RunHeader } from "./frames.ts"
import type { ProviderChoice } from "./Provider.ts"
import { makeServingProvider } from "./ServingProvider.ts"

/** Rows of one run; float32, row-major. */
export interface OpinionBatch {
  readonly rows: number
  readonly columns: number
  /** [rows, columns] */
  readonly features: Float32Array
  /** [rows] */
  readonly sigma: Float32Array
  /** [rows] */
  readonly band: Float32Array
}

export interface OpinionBatchResult {
  /** [rows, 3]: sell, hold, buy. */
  readonly probabilities: Float32Array
  /** [rows] */
  readonly expectedReturn: Float32Array
  /** [rows] */
  readonly spread: Float32Array
  /** [rows]: what the model said before calibration. */
  readonly score: Float32Array
  /** [rows, width] each, in the order in which they were asked for. */
  readonly more: ReadonlyArray<Float32Array>
}

/** What a model answers beside what every opinion model does. */
export interface OutputName {
  readonly name: string
  /** Numbers of a row. */
  readonly width: number
}

export interface ModelHostOptions {
  /** The child's program. */
  readonly script: string
  readonly sessionsMax: number
  readonly memoryBytesMax: number
  readonly runMsMax: number
  /** What is tried besides the CPU, beside serving on it. */
  readonly provider: ProviderChoice
  /** Between the child's start and the trials: a node that starts has other things to do. */
  readonly trialsAfterMs?: number
}

const trialsAfterMsDefault = 5_000

/** Requests that may be with the child. */
const requestsMax = 256

interface Host {
  readonly child: ChildProcess.Child
  readonly loaded: Set<string>
}

const bytesOf = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

export class ModelHost extends Context.Tag("conclave/ModelHost")<
  ModelHost,
  {
    /** Runs an artefact, which is asked for if the child does not hold it. */
    readonly opine: <E, R>(
      digest: string,
      artefact: Effect.Effect<Uint8Array, E, R>,
      batch: OpinionBatch,
      more?: ReadonlyArray<OutputName>
    ) => Effect.Effect<OpinionBatchResult, ChildFailed | E, R>
    /** One life of the child: starts it, and fails when it has died. */
    readonly live: (component: Component) => Effect.Effect<never, ChildFailed, Scope.Scope>
  }
>() {
  static layer = (options: ModelHostOptions): Layer.Layer<ModelHost> =>
    Layer.sync(ModelHost, () => make(options))
}

const make = (options: ModelHostOptions): typeof ModelHost.Service => {
  const provider = makeServingProvider(options.provider, options)
  let host: Host | undefined
  let waiting: Array<(host: Host) => void> = []
  /** Says how it runs. */
  let tell: Effect.Effect<void> = Effect.void

  const present = Effect.async<Host>((resume) => {
    if (host !== undefined) return resume(Effect.succeed(host))
    const wake = (started: Host) => resume(Effect.succeed(started))
    waiting.push(wake)
    return Effect.sync(() => {
      waiting = waiting.filter((other) => other !== wake)
    })
  })

  const load = ({ child, loaded }: Host, digest: string, bytes: Uint8Array) =>
    child
      .request(hostKind.load, provider.loadHeader(digest), bytes)
      .pipe(Effect.tap(() => touch(loaded, digest)))

  const runLoaded = ({ child, loaded }: Host, header: RunHeader, body: Uint8Array) =>
    Effect.suspend(() => {
      touch(loaded, header.digest)
      return child.request(hostKind.run, header, body)
    })

  /** Artefacts are loaded one at a time, each with its run: no other can push it out in between. */
  const loading = Effect.unsafeMakeSemaphore(1)

  const run = <E, R>(
    host: Host,
    artefact: Effect.Effect<Uint8Array, E, R>,
    header: RunHeader,
    body: Uint8Array
  ) => {
    const { digest } = header
    const isNotLoaded = (error: unknown) => error instanceof ChildFailed && error.reason === notLoaded
    const running = runLoaded(host, header, body)
    const afterLoading = Effect.flatMap(artefact, (bytes) => {
      const loaded = Effect.zipRight(load(host, digest, bytes), running)
      return loading.withPermits(1)(
        Effect.suspend(() =>
          host.loaded.has(digest) ? Effect.catchIf(running, isNotLoaded, () => loaded) : loaded
        )
      )
    })
    return host.loaded.has(digest) ? Effect.catchIf(running, isNotLoaded, () => afterLoading) : afterLoading
  }

  /** The child lets go of the session that was used least recently, and so do we. */
  const touch = (loaded: Set<string>, digest: string) => {
    loaded.delete(digest)
    loaded.add(digest)
    if (loaded.size > options.sessionsMax) {
      for (const oldest of loaded) {
        loaded.delete(oldest)
        break
      }
    }
  }

  return {
    opine: (digest, artefact, batch, more = []) =>
      Effect.gen(function* () {
        const { columns, rows } = batch
        const current = yield* present
        const header: RunHeader = {
          digest,
          inputs: [
            { name: "features", dims: [rows, columns] },
            { name: "sigma", dims: [rows, 1] },
            { name: "band", dims: [rows, 1] }
          ],
          outputs: [...outputNames, ...more.map(({ name }) => name)]
        }
        const body = Buffer.concat([batch.features, batch.sigma, batch.band].map(bytesOf))
        const answer = yield* run(current, artefact, header, body)
        const { outputs, settled } = answer.header as RunAnswer
        if (settled !== undefined) yield* Effect.zipRight(provider.settled(digest, settled), tell)
        const tensors = new Map<string, Float32Array>()
        let at = 0
        for (const { dims, name } of outputs) {
          const count = dims.reduce((product, dim) => product * dim, 1)
          tensors.set(name, new Float32Array(answer.body.buffer, answer.body.byteOffset + at, count))
          at += count * 4
        }
        const tensor = (name: string, width: number) => {
          const values = tensors.get(name)
          return values?.length === rows * width
            ? Effect.succeed(values)
            : new ChildFailed({ child: "model-host", reason: `the output "${name}" has the wrong shape` })
        }
        return {
          probabilities: yield* tensor("probabilities", 3),
          expectedReturn: yield* tensor("expected_return", 1),
          spread: yield* tensor("spread", 1),
          score: yield* tensor("score", 1),
          more: yield* Effect.forEach(more, ({ name, width }) => tensor(name, width))
        }
      }),
    live: (component) =>
      Effect.gen(function* () {
        const child = yield* ChildProcess.start({
          name: "model-host",
          script: options.script,
          arguments: [String(options.sessionsMax)],
          memoryBytesMax: options.memoryBytesMax,
          requestMsMax: options.runMsMax,
          requestsMax
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            host = { child, loaded: new Set() }
            for (const wake of waiting.splice(0)) wake(host)
          }),
          () =>
            Effect.sync(() => {
              host = undefined
              tell = Effect.void
            })
        )
        tell = Effect.suspend(() => component.running(`process ${child.pid} ${provider.describe()}`))
        yield* tell
        const tryProviders = Effect.flatMap(provider.try, (isOffered) => {
          // What is loaded already is asked for again, to be offered.
          if (isOffered) host?.loaded.clear()
          return tell
        })
        yield* Effect.forkScoped(Effect.delay(tryProviders, options.trialsAfterMs ?? trialsAfterMsDefault))
        return yield* Effect.tapError(child.died, ({ reason }) => provider.died(reason))
      })
  }
}
