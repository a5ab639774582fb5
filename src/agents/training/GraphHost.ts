/**
 * ONNX graphs of any inputs and outputs in float32, run in a model host of their own: what a native runtime does with
 * them can neither block nor harm this process, and is gone with the scope.
 *
 * What can go wrong: what onnxruntime refuses to load or to run, a process that dies or takes too much (ChildFailed).
 */
import { Effect, Either, type Scope } from "effect"
import { toOnnx } from "../../learning/graph/toOnnx.ts"
import { encode } from "../../learning/onnx/OnnxFile.ts"
import type { Fed, Open } from "../../learning/training/Trainer.ts"
import type { Frame } from "../../protocols/wire/Frame.ts"
import { sha256 } from "../../protocols/wire/Json.ts"
import { Limits } from "../../protocols/wire/Limits.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import { ChildFailed } from "../../runtime/errors.ts"
import { hostKind, type LoadHeader, type RunAnswer, type RunHeader } from "../model-host/frames.ts"
import type { ModelRunOptions } from "./ModelRun.ts"

/** Inputs by name in, outputs by name out. */
export type RunGraph = (
  feeds: Readonly<Record<string, Fed>>
) => Effect.Effect<Readonly<Record<string, Float32Array>>, ChildFailed>

export interface GraphHost {
  /** @param outputs those that are wanted of each run */
  readonly load: (bytes: Uint8Array, outputs: ReadonlyArray<string>) => Effect.Effect<RunGraph, ChildFailed>
}

/** Graphs that it holds at a time; those asked for longest ago are let go. */
const sessionsMax = 8
/** One that runs, and one that waits for it. */
const requestsMax = 2
/** What a frame has beside its body. */
const frameBytesBeside = 65_536
export const graphBytesMax = Limits.frameBytesMax - frameBytesBeside

const name = "model-host"

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

export const startGraphHost = (
  options: ModelRunOptions
): Effect.Effect<GraphHost, ChildFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* ChildProcess.start({
      name,
      script: options.script,
      arguments: [String(sessionsMax)],
      memoryBytesMax: options.memoryBytesMax,
      requestMsMax: options.runMsMax,
      requestsMax
    })
    const ask = (kind: number, header: LoadHeader | RunHeader, body: Uint8Array) => {
      // The reader at the other end would refuse it, and end.
      const isTooMuch = body.byteLength > graphBytesMax
      const reason = `${body.byteLength} bytes are more than the ${graphBytesMax} that it takes at a time`
      const asked = isTooMuch
        ? Effect.fail(new ChildFailed({ child: name, reason }))
        : child.request(kind, header, body)
      return Effect.mapError(
        asked,
        (failed) => new ChildFailed({ child: name, reason: failed.reason.replace(/\s+/g, " ").trim() })
      )
    }
    const load: GraphHost["load"] = (bytes, outputs) => {
      const digest = sha256(bytes)
      const run: RunGraph = (feeds) => {
        const fed = Object.entries(feeds)
        const inputs = fed.map(([input, { shape }]) => ({ name: input, dims: shape }))
        const body = Buffer.concat(fed.map(([, { data }]) => bytesOf(data)))
        return Effect.map(ask(hostKind.run, { digest, inputs, outputs }, body), valuesOf)
      }
      return Effect.as(ask(hostKind.load, { digest }, bytes), run)
    }
    return { load }
  })

const valuesOf = ({ body, header }: Frame): Readonly<Record<string, Float32Array>> => {
  let at = 0
  return Object.fromEntries(
    (header as RunAnswer).outputs.map(({ dims, name: output }) => {
      const count = dims.reduce((product, dim) => product * dim, 1)
      const values = new Float32Array(body.buffer, body.byteOffset + at, count)
      at += values.byteLength
      return [output, values] as const
    })
  )
}

/** For what waits for promises: what has failed is thrown as it is. */
export const asPromise = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.either(effect)).then(Either.getOrThrowWith((failed) => failed))

/** What the trainings of the learning room take their graphs from. Of several that ask at once some wait. */
export const openIn = (host: GraphHost): Open => {
  const requests = Effect.unsafeMakeSemaphore(requestsMax)
  const ask = <A>(asked: Effect.Effect<A, ChildFailed>) => asPromise(requests.withPermits(1)(asked))
  return async (spec) => {
    const model = toOnnx(spec)
    const outputs = model.graph.outputs.map(({ name: output }) => output)
    const run = await ask(host.load(encode(model), outputs))
    return (feeds) => ask(run(feeds))
  }
}
