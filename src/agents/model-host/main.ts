/**
 * The model host: a child process that holds ONNX sessions and runs them. Artefacts arrive as bytes over the pipe
 * and are checked against their digest; no path from outside is ever opened, so that links, external data and
 * whatever else a file system offers have no way in. It ends when its pipe does.
 *
 * It also is what a trial of an execution provider runs in (tryProvider.ts), started for that alone.
 */
import { createHash } from "node:crypto"
import { Socket } from "node:net"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import {
  hostKind,
  type LoadHeader,
  notLoaded,
  type RunAnswer,
  type RunHeader,
  type TensorHeader,
  type TryHeader
} from "./frames.ts"
import { type HeldModel, holdModel } from "./HeldModel.ts"
import { tryProvider } from "./tryProvider.ts"

const heartbeatEveryMs = 250

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
const sessionsMax = Number(process.argv[2] ?? "16")
/** By digest, the least recently used first. */
const models = new Map<string, HeldModel>()

const now = () => performance.now()
const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))
const refuse = (id: number, reason: string) => send({ kind: frameKind.refusal, id, header: { reason } })

const open = (bytes: Uint8Array, provider: string) =>
  InferenceSession.create(bytes, {
    executionProviders: [provider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    // Spinning threads would take the cores from the node.
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } }
  })

const load = async ({ digest, offer }: LoadHeader, bytes: Uint8Array) => {
  const actual = createHash("sha256").update(bytes).digest("hex")
  if (actual !== digest) throw new Error(`the artefact's digest is ${actual}, not ${digest}`)
  const held = models.get(digest)
  const model = held ?? holdModel({ onCpu: await open(bytes, "cpu"), open, now })
  if (held === undefined) models.set(digest, model)
  if (offer !== undefined) model.offer(offer, bytes)
  while (models.size > sessionsMax) {
    const [oldest] = models.keys() as IterableIterator<string>
    const dropped = models.get(oldest as string)
    models.delete(oldest as string)
    await dropped?.release()
  }
}

const inputsOf = (header: RunHeader, body: Uint8Array): Record<string, Tensor> => {
  const feeds: Record<string, Tensor> = Object.create(null)
  let at = 0
  for (const { dims, name } of header.inputs) {
    const count = dims.reduce((product, dim) => product * dim, 1)
    feeds[name] = new Tensor("float32", new Float32Array(body.buffer, body.byteOffset + at, count), [...dims])
    at += count * 4
  }
  return feeds
}

const run = async (id: number, header: RunHeader, body: Uint8Array) => {
  const model = models.get(header.digest)
  if (model === undefined) throw new Error(notLoaded)
  models.delete(header.digest)
  models.set(header.digest, model)
  const results = await model.run(inputsOf(header, body))
  const outputs: Array<TensorHeader> = []
  const parts: Array<Uint8Array> = []
  for (const name of header.outputs) {
    const tensor = results[name]
    if (tensor === undefined || !(tensor.data instanceof Float32Array)) throw new Error(`no output "${name}"`)
    outputs.push({ name, dims: [...tensor.dims] })
    parts.push(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength))
  }
  const settled = model.takeSettled()
  const answer: RunAnswer = settled === undefined ? { outputs } : { outputs, settled }
  send({ kind: frameKind.answer, id, header: answer, body: Buffer.concat(parts) })
  await model.settle()
}

const handle = async (frame: Frame) => {
  switch (frame.kind) {
    case hostKind.load:
      await load(frame.header as LoadHeader, frame.body)
      return send({ kind: frameKind.answer, id: frame.id })
    case hostKind.run:
      return run(frame.id, frame.header as RunHeader, frame.body)
    case hostKind.try: {
      const header = await tryProvider(frame.header as TryHeader, frame.body, now)
      return send({ kind: frameKind.answer, id: frame.id, header })
    }
    default:
      throw new Error(`no frame of kind ${frame.kind} is known`)
  }
}

// One after the other: a session's run blocks the thread anyway.
let queue: Promise<void> = Promise.resolve()
pipe.on("data", (chunk) => {
  for (const frame of reader.push(chunk)) {
    queue = queue.then(() =>
      handle(frame).catch((cause) => refuse(frame.id, cause instanceof Error ? cause.message : String(cause)))
    )
  }
})
pipe.on("close", () => process.exit(0))
pipe.on("error", () => process.exit(0))
setInterval(() => {
  send({ kind: frameKind.heartbeat, id: 0, header: { residentBytes: process.memoryUsage.rss() } })
}, heartbeatEveryMs)
send({ kind: frameKind.ready, id: 0 })
