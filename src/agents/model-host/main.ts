/**
 * The model host: a child process that holds ONNX sessions and runs them. Artefacts arrive as bytes over the pipe
 * and are checked against their digest; no path from outside is ever opened, so that links, external data and
 * whatever else a file system offers have no way in. It ends when its pipe does.
 */
import { createHash } from "node:crypto"
import { Socket } from "node:net"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import { hostKind, type LoadHeader, notLoaded, type RunHeader, type TensorHeader } from "./frames.ts"

const heartbeatEveryMs = 250

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
const sessionsMax = Number(process.argv[2] ?? "16")
/** Sessions by digest, the least recently used first. */
const sessions = new Map<string, InferenceSession>()

const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))
const refuse = (id: number, reason: string) => send({ kind: frameKind.refusal, id, header: { reason } })

const load = async ({ digest }: LoadHeader, bytes: Uint8Array) => {
  const actual = createHash("sha256").update(bytes).digest("hex")
  if (actual !== digest) throw new Error(`the artefact's digest is ${actual}, not ${digest}`)
  if (!sessions.has(digest)) {
    const session = await InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      // Spinning threads would take the cores from the node.
      extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } }
    })
    sessions.set(digest, session)
  }
  while (sessions.size > sessionsMax) {
    const [oldest] = sessions.keys() as IterableIterator<string>
    const session = sessions.get(oldest as string)
    sessions.delete(oldest as string)
    await session?.release()
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
  const session = sessions.get(header.digest)
  if (session === undefined) throw new Error(notLoaded)
  sessions.delete(header.digest)
  sessions.set(header.digest, session)
  const results = await session.run(inputsOf(header, body))
  const outputs: Array<TensorHeader> = []
  const parts: Array<Uint8Array> = []
  for (const name of header.outputs) {
    const tensor = results[name]
    if (tensor === undefined || !(tensor.data instanceof Float32Array)) throw new Error(`no output "${name}"`)
    outputs.push({ name, dims: [...tensor.dims] })
    parts.push(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength))
  }
  send({ kind: frameKind.answer, id, header: { outputs }, body: Buffer.concat(parts) })
}

const handle = async (frame: Frame) => {
  switch (frame.kind) {
    case hostKind.load:
      await load(frame.header as LoadHeader, frame.body)
      return send({ kind: frameKind.answer, id: frame.id })
    case hostKind.run:
      return run(frame.id, frame.header as RunHeader, frame.body)
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
