/**
 * Tries execution providers, each in a process of its own that ends with the trial: a driver that aborts takes nothing
 * with it but its trial.
 */
import { Effect, Either } from "effect"
import * as ops from "../../learning/graph/ops.ts"
import { toOnnx } from "../../learning/graph/toOnnx.ts"
import { encode } from "../../learning/onnx/OnnxFile.ts"
import * as ChildProcess from "../../runtime/ChildProcess.ts"
import { ProviderUnfit } from "./errors.ts"
import { hostKind, type Offer, type TryAnswer, type TryHeader } from "./frames.ts"
import type { Provider } from "./Provider.ts"

export interface TrialOptions {
  /** The model host's program. */
  readonly script: string
  readonly memoryBytesMax: number
}

export interface Trial {
  readonly provider: Provider
  /** null: it works. */
  readonly unfit: ProviderUnfit | null
}

/** Drivers compile their first kernels meanwhile. */
const trialMsMax = 10_000
const rows = 256
const columns = 512
const layers = 8

/**
 * A bit of what networks are made of: products, squashing, norms, shares. A few milliseconds of a processor's core, so
 * that a device loses which is none but the processor itself.
 */
const trialGraph = (): Uint8Array => {
  const values = Float32Array.from({ length: columns * columns }, (_, i) => Math.cos(i * 0.61) / 16)
  const weights = ops.constant([columns, columns], values)
  const x = ops.input("x", [rows, columns])
  let hidden = x
  for (let layer = 0; layer < layers; layer++) hidden = ops.tanh(ops.matmul(hidden, weights))
  const centred = ops.sub(hidden, ops.reduceMean(hidden, [1], true))
  const y = ops.softmax(ops.mul(centred, ops.sigmoid(hidden)))
  return encode(toOnnx({ name: "trial", inputs: [x], outputs: [["y", y]] }))
}

export const tryProvider = ({ onlyIfFaster, provider }: Offer, options: TrialOptions): Effect.Effect<Trial> =>
  Effect.gen(function* () {
    const child = yield* ChildProcess.start({
      name: `trial of ${provider}`,
      script: options.script,
      arguments: ["1"],
      memoryBytesMax: options.memoryBytesMax,
      requestMsMax: trialMsMax,
      requestsMax: 1
    })
    const header: TryHeader = { provider, onlyIfFaster, inputs: [{ name: "x", dims: [rows, columns] }] }
    const { unfit } = (yield* child.request(hostKind.try, header, trialGraph())).header as TryAnswer
    return unfit
  }).pipe(
    Effect.scoped,
    Effect.either,
    Effect.map((tried) => {
      const unfit = Either.getOrElse(tried, ({ reason }) => ({ reason: "died" as const, detail: reason }))
      return { provider, unfit: unfit === null ? null : new ProviderUnfit({ provider, ...unfit }) }
    })
  )
