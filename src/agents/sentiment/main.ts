/**
 * The sentiment host: a child process that runs one text classifier, tokeniser and network, by the optional package
 * @huggingface/transformers. It reads the files of the folder that it is given, and nothing else: no network, no cache.
 * It ends when its pipe does.
 */
import { Socket } from "node:net"
import { Effect, Schedule } from "effect"
import { encodeFrame, type Frame, FrameReader, frameKind } from "../../protocols/wire/Frame.ts"
import { type LoadHeader, type ScoreAnswer, type ScoreHeader, sentimentKind } from "./frames.ts"

/** By name, so that neither a compiler nor a bundler looks for what is optional. */
const packageName: string = "@huggingface/transformers"
const heartbeatEveryMs = 250
/** What such networks have been trained on, unless their tokeniser says less. */
const tokensMax = 512

/** What is needed of the package. */
interface Tokeniser {
  (sentences: ReadonlyArray<string>, options: Readonly<Record<string, unknown>>): unknown
  readonly model_max_length?: number
}
interface Logits {
  readonly dims: ReadonlyArray<number>
  readonly data: unknown
}
type Classifier = (inputs: unknown) => Promise<{ readonly logits?: Logits }>
interface Loads<A> {
  readonly from_pretrained: (folder: string, options: Readonly<Record<string, unknown>>) => Promise<A>
}
interface Transformers {
  readonly env: {
    allowRemoteModels: boolean
    allowLocalModels: boolean
    useFSCache: boolean
    useBrowserCache: boolean
  }
  readonly AutoTokenizer: Loads<Tokeniser>
  readonly AutoModelForSequenceClassification: Loads<Classifier>
}

const pipe = new Socket({ fd: 3, readable: true, writable: true })
const reader = new FrameReader()
const send = (frame: Parameters<typeof encodeFrame>[0]) => void pipe.write(encodeFrame(frame))
const refuse = (id: number, reason: string) => send({ kind: frameKind.refusal, id, header: { reason } })

let loaded: { readonly tokeniser: Tokeniser; readonly classifier: Classifier } | undefined

const importPackage = async (): Promise<Transformers> => {
  try {
    return (await import(packageName)) as Transformers
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new Error(
      code === "ERR_MODULE_NOT_FOUND"
        ? `the optional package ${packageName} is not installed: run \`npm install\` without --omit=optional`
        : `the optional package ${packageName} does not load (${message})`
    )
  }
}

const load = async ({ folder }: LoadHeader) => {
  const { AutoModelForSequenceClassification, AutoTokenizer, env } = await importPackage()
  Object.assign(env, {
    allowRemoteModels: false,
    allowLocalModels: true,
    useFSCache: false,
    useBrowserCache: false
  })
  const local = { local_files_only: true }
  const tokeniser = await AutoTokenizer.from_pretrained(folder, local)
  const classifier = await AutoModelForSequenceClassification.from_pretrained(folder, {
    ...local,
    dtype: "fp32",
    device: "cpu",
    session_options: {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      // Spinning threads would take the cores from the node.
      extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } }
    }
  })
  loaded = { tokeniser, classifier }
}

/** Softmax of every row, in place. */
const toShares = (values: Float32Array, width: number): void => {
  for (let from = 0; from < values.length; from += width) {
    const row = values.subarray(from, from + width)
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const exponentials = Float64Array.from(row, (logit) => Math.exp(logit - most))
    const sum = exponentials.reduce((a, b) => a + b, 0)
    row.set(exponentials.map((share) => share / sum))
  }
}

const score = async (id: number, { sentences }: ScoreHeader) => {
  if (loaded === undefined) throw new Error("no classifier has been loaded")
  const { classifier, tokeniser } = loaded
  const inputs = tokeniser(sentences, {
    padding: true,
    truncation: true,
    max_length: Math.min(tokensMax, tokeniser.model_max_length ?? tokensMax)
  })
  const { logits } = await classifier(inputs)
  const [rows = 0, labels = 0] = logits?.dims ?? []
  if (!(logits?.data instanceof Float32Array) || logits.dims.length !== 2 || rows !== sentences.length) {
    throw new Error(
      "it does not answer with float logits of every sentence: it is no classifier of sequences"
    )
  }
  const shares = Float32Array.from(logits.data)
  toShares(shares, labels)
  const body = new Uint8Array(shares.buffer)
  send({ kind: frameKind.answer, id, header: { labels } satisfies ScoreAnswer, body })
}

const handle = async ({ header, id, kind }: Frame) => {
  switch (kind) {
    case sentimentKind.load:
      await load(header as LoadHeader)
      return send({ kind: frameKind.answer, id })
    case sentimentKind.score:
      return score(id, header as ScoreHeader)
    default:
      throw new Error(`no frame of kind ${kind} is known`)
  }
}

// One after the other: a run blocks the thread anyway.
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
const beat = Effect.sync(() =>
  send({ kind: frameKind.heartbeat, id: 0, header: { residentBytes: process.memoryUsage.rss() } })
)
Effect.runFork(Effect.repeat(beat, Schedule.spaced(heartbeatEveryMs)))
send({ kind: frameKind.ready, id: 0 })
