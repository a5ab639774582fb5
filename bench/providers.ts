/**
 * onnxruntime's execution providers: which of them work here and why the others do not, and for those that do, where the
 * nodes of a training step run and what predictions and steps take beside the CPU. Windows are interleaved.
 *
 * A node is counted once, under its operation and name after onnxruntime's fusions, on every provider that ran it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { cpus, loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { InferenceSession, Tensor } from "onnxruntime-node"
import { Provider } from "../src/agents/model-host/Provider.ts"
import { tryProvider } from "../src/agents/model-host/providerTrials.ts"
import { sessionOptions } from "../src/agents/training-host/onnxruntime.ts"
import { toOnnx } from "../src/learning/graph/toOnnx.ts"
import { servingSpec, trainableOf } from "../src/learning/networks/models.ts"
import {
  type NetworkSpec,
  patternRecogniser,
  pricePredictor,
  transformerPredictor
} from "../src/learning/networks/NetworkSpec.ts"
import { encode } from "../src/learning/onnx/OnnxFile.ts"
import { fillMask } from "../src/learning/training/masks.ts"
import { adam, ratesOf } from "../src/learning/training/Optimiser.ts"
import { trainingGraphs } from "../src/learning/training/TrainingGraphs.ts"
import { type Bench, line, print, spread } from "./support/report.ts"

/** Of a training step. */
const rows = 32
const trialMemoryBytesMax = 4 * 2 ** 30
const windowsMax = 7
/** A graph that takes long has fewer windows. */
const windowsMsMax = 20_000

const works: ReadonlyArray<{ readonly name: string; readonly spec: NetworkSpec }> = [
  { name: "lstm", spec: pricePredictor },
  { name: "cnn", spec: patternRecogniser },
  { name: "transformer", spec: transformerPredictor }
]

type Feeds = Record<string, Tensor>
type Outputs = InferenceSession.OnnxValueMapType

interface Graph {
  readonly bytes: Uint8Array
  readonly feeds: Feeds
}

const countOf = (shape: ReadonlyArray<number>) => shape.reduce((product, size) => product * size, 1)
const floats = (shape: ReadonlyArray<number>, data: Float32Array) => new Tensor("float32", data, [...shape])
const filler = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37))

const graphsOf = (spec: NetworkSpec) => trainingGraphs(trainableOf(spec), { rows, optimiser: adam })

/** A whole step: gradient, Adam, new parameters. */
const stepOf = (spec: NetworkSpec): Graph => {
  const graphs = graphsOf(spec)
  const { size } = graphs.manifest
  const feeds: Feeds = {
    parameters: floats([size], graphs.initial(1)),
    moment0: floats([size], new Float32Array(size)),
    moment1: floats([size], new Float32Array(size)),
    rates: floats([1, 4], Float32Array.from(ratesOf(adam, 1e-3, 1)))
  }
  for (const { name, shape } of graphs.fields) {
    const values = filler(countOf(shape))
    if (name === "weights") values.fill(1)
    if (name === "y" && spec.head.kind === "classification") {
      values.fill(0)
      for (let row = 0; row < rows; row++) values[row * spec.head.classes + (row % spec.head.classes)] = 1
    }
    feeds[name] = floats([1, ...shape], values)
  }
  for (const { name, rate, shape } of graphs.masks) {
    const values = new Float32Array(countOf(shape))
    fillMask(values, rate, 1, 0, name)
    feeds[name] = floats([1, ...shape], values)
  }
  return { bytes: encode(toOnnx(graphs.steps(1))), feeds }
}

const predictionOf = (spec: NetworkSpec, batch: number): Graph => {
  const graphs = graphsOf(spec)
  const normalisation = { means: Array(spec.features).fill(0), deviations: Array(spec.features).fill(1) }
  const serving = servingSpec(spec, graphs.manifest, graphs.initial(1), normalisation)
  const shape = [batch, spec.length, spec.features]
  return { bytes: encode(toOnnx(serving)), feeds: { features: floats(shape, filler(countOf(shape))) } }
}

const open = (bytes: Uint8Array, provider: string, more: InferenceSession.SessionOptions = {}) =>
  InferenceSession.create(bytes, { ...sessionOptions, executionProviders: [provider], ...more })

interface Placement {
  readonly nodes: number
  readonly runs: number
  /** Names of operations, the most frequent first. */
  readonly operations: ReadonlyArray<string>
}

/** What each provider ran of a graph, from onnxruntime's profile of one run. */
const placementOf = async (
  { bytes, feeds }: Graph,
  provider: string
): Promise<ReadonlyMap<string, Placement>> => {
  const directory = mkdtempSync(join(tmpdir(), "conclave-profile-"))
  const prefix = join(directory, "profile")
  try {
    const session = await open(bytes, provider, { enableProfiling: true, profileFilePrefix: prefix })
    await session.run(feeds)
    session.endProfiling()
    await session.release()
    const [file] = readdirSync(directory)
    if (file === undefined) throw new Error("onnxruntime has written no profile")
    const events = JSON.parse(readFileSync(join(directory, file), "utf8")) as ReadonlyArray<{
      readonly cat: string
      readonly name: string
      readonly args?: { readonly provider?: string; readonly op_name?: string }
    }>
    const seen = new Map<string, { nodes: Set<string>; runs: number; operations: Map<string, number> }>()
    for (const { args, cat, name } of events) {
      if (cat !== "Node" || args?.provider === undefined || !name.endsWith("_kernel_time")) continue
      const of = seen.get(args.provider) ?? { nodes: new Set(), runs: 0, operations: new Map() }
      seen.set(args.provider, of)
      of.runs++
      const op = args.op_name ?? "?"
      if (of.nodes.has(`${op} ${name}`)) continue
      of.nodes.add(`${op} ${name}`)
      of.operations.set(op, (of.operations.get(op) ?? 0) + 1)
    }
    return new Map(
      [...seen].map(([name, { nodes, operations, runs }]) => [
        name,
        {
          nodes: nodes.size,
          runs,
          operations: [...operations].sort((a, b) => b[1] - a[1]).map(([op, count]) => `${op} ${count}`)
        }
      ])
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The largest over all numbers, of a number's size plus one. */
const differenceOf = (one: Outputs, other: Outputs): number => {
  let largest = 0
  for (const [name, tensor] of Object.entries(one)) {
    const a = tensor.data as Float32Array
    const b = (other[name] as Tensor).data as Float32Array
    for (let i = 0; i < a.length; i++) {
      largest = Math.max(
        largest,
        Math.abs((a[i] as number) - (b[i] as number)) / (1 + Math.abs(a[i] as number))
      )
    }
  }
  return largest
}

const timed = async (session: InferenceSession, feeds: Feeds): Promise<number> => {
  const begun = performance.now()
  await session.run(feeds)
  return performance.now() - begun
}

/** What each provider takes for a graph; the first run, which compiles, apart. */
const measure = async ({ bytes, feeds }: Graph, providers: ReadonlyArray<string>, windows: number) => {
  const opened: Array<{
    provider: string
    session: InferenceSession
    firstMs: number
    times: Array<number>
  }> = []
  let onCpu: Outputs | undefined
  const differences = new Map<string, number>()
  for (const provider of providers) {
    const begun = performance.now()
    const session = await open(bytes, provider)
    const outputs = await session.run(feeds)
    opened.push({ provider, session, firstMs: performance.now() - begun, times: [] })
    onCpu ??= outputs
    differences.set(provider, differenceOf(onCpu, outputs))
  }
  const begun = performance.now()
  for (let window = 0; window < windows; window++) {
    if (window > 0 && performance.now() - begun > windowsMsMax) break
    for (const { session, times } of opened) times.push(await timed(session, feeds))
  }
  for (const { session } of opened) await session.release()
  return opened.map(({ firstMs, provider, times }) => ({
    provider,
    firstMs,
    times,
    difference: differences.get(provider) as number
  }))
}

const namesMax = 8

export const providers: Bench = {
  name: "providers",
  run: async ({ root, smoke }) => {
    const script = join(root, "dist", "model-host.js")
    print(
      `providers: one thread of the CPU beside each of onnxruntime's providers that works here; steps of ${rows} rows`
    )
    const working = ["cpu"]
    line("cpu", "works")
    for (const provider of Provider.literals) {
      const trial = tryProvider(
        { provider, onlyIfFaster: false },
        { script, memoryBytesMax: trialMemoryBytesMax }
      )
      const { unfit } = await Effect.runPromise(trial)
      line(provider, unfit === null ? "works" : unfit.reason, unfit?.detail)
      if (unfit === null) working.push(provider)
    }
    const loads = `load average ${(loadavg()[0] as number).toFixed(1)} on ${cpus().length} cores`
    print(`  ${loads}${working.length > 1 ? "" : ": the CPU alone, nothing to put beside it"}`)
    for (const { name, spec } of smoke ? works.filter((work) => work.name === "cnn") : works) {
      print(` ${name}`)
      const step = stepOf(spec)
      for (const provider of working) {
        for (const [where, { nodes, operations, runs }] of await placementOf(step, provider)) {
          const most = operations.slice(0, namesMax).join(", ")
          line(`step on ${provider}: by ${where}`, `${nodes} nodes, run ${runs} times`, most)
        }
      }
      const graphs = [
        ["training step", step],
        ["prediction at batch 1", predictionOf(spec, 1)],
        ["prediction at batch 64", predictionOf(spec, 64)]
      ] as const
      for (const [what, graph] of graphs) {
        for (const { difference, firstMs, provider, times } of await measure(
          graph,
          working,
          smoke ? 1 : windowsMax
        )) {
          const first = `first ${firstMs.toFixed(0)} ms with opening`
          const off = provider === "cpu" ? "" : `, off the CPU's by ${difference.toExponential(1)}`
          line(`${what}, ${provider}`, spread(times, "ms"), `${first}${off}`)
        }
      }
    }
  }
}
