/**
 * The node agent: says at an interval what runs here and how it is, hears what other nodes say, and answers for
 * both.
 */
import { Clock, Context, Effect, Metric, Schedule, Stream } from "effect"
import { type Capabilities, deadLettersCounter, type NodeStatus } from "../../protocols/NodeStatus.ts"
import { NodeRpcs } from "../../protocols/rpc/NodeRpcs.ts"
import type { ComponentStatus } from "../../protocols/wire/ComponentStatus.ts"
import { epochZero } from "../../protocols/wire/Ids.ts"
import { Bus } from "../../runtime/Bus.ts"
import { DeadLetters } from "../../runtime/DeadLetters.ts"
import { monotonicMs } from "../../runtime/MonotonicClock.ts"
import type { Component } from "../../runtime/Supervisor.ts"
import * as Topic from "../../runtime/Topic.ts"
import { enveloped, NodeContext, serveAgent } from "../NodeContext.ts"
import { heartbeatsTopic } from "../topics.ts"
import { readCapabilities } from "./capabilities.ts"

const name = "node"
/** Other nodes remembered. */
const nodesMax = 256
const heartbeatsMax = 512

/** The supervision tree of this process, for whoever asks. */
export class SupervisionTree extends Context.Tag("conclave/SupervisionTree")<
  SupervisionTree,
  { readonly status: () => ComponentStatus }
>() {}

/** Counters by name, with their tags. */
const counters = Effect.map(Metric.snapshot, (pairs) =>
  [...pairs].flatMap(({ metricKey, metricState }) => {
    const value = "count" in metricState ? Number(metricState.count) : Number.NaN
    if (!Number.isFinite(value)) return []
    const tags = [...metricKey.tags].map((tag) => `${tag.key}=${tag.value}`).join(",")
    return [{ name: tags === "" ? metricKey.name : `${metricKey.name}{${tags}}`, value }]
  })
)

export const run = (component: Component) =>
  Effect.gen(function* () {
    const { node, run, settings } = yield* NodeContext
    const bus = yield* Bus
    const tree = yield* SupervisionTree
    const letters = yield* DeadLetters
    const now = yield* monotonicMs
    const { agents, heartbeatEveryMs, silentAfterMs } = settings.node
    let capabilities: Capabilities | null = null
    const others = new Map<string, { readonly status: NodeStatus; readonly heardAt: number }>()

    const status = Effect.zipWith(
      counters,
      letters.count,
      (counted, dead): NodeStatus => ({
        node,
        run,
        pid: process.pid,
        transport: bus.transport,
        transportDetail: bus.detail,
        agents: [...agents],
        tree: tree.status(),
        capabilities,
        residentBytes: process.memoryUsage.rss(),
        counters: [{ name: deadLettersCounter, value: dead }, ...counted]
      })
    )

    const handlers = NodeRpcs.toLayer({
      Status: () => status,
      Nodes: () =>
        Effect.map(status, (own) => [
          { silentMs: 0, status: own },
          ...[...others.values()]
            .filter(({ heardAt }) => now() - heardAt <= silentAfterMs)
            .map(({ heardAt, status: other }) => ({ silentMs: Math.round(now() - heardAt), status: other }))
        ])
    })
    yield* Effect.provide(serveAgent(NodeRpcs, name), handlers)

    const beat = Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const own = yield* status
      const event = { ...enveloped({ run, source: name, asOf: at, subject: node }, own), epoch: epochZero }
      yield* Topic.publish(heartbeatsTopic, event, node)
    }).pipe(
      Effect.catchAll((error) => Effect.logDebug(`No heartbeat: ${error.message}`)),
      Effect.repeat(Schedule.spaced(heartbeatEveryMs))
    )
    const heard = yield* Topic.subscribe(heartbeatsTopic, { run, capacityMax: heartbeatsMax })
    const hear = Stream.runForEach(heard, ({ payload }) =>
      Effect.sync(() => {
        if (payload.node === node) return
        others.delete(payload.node)
        others.set(payload.node, { status: payload, heardAt: now() })
        for (const oldest of others.keys()) {
          if (others.size <= nodesMax) break
          others.delete(oldest)
        }
      })
    )
    const look = Effect.map(readCapabilities, (found) => {
      capabilities = found
    })
    yield* component.running()
    yield* Effect.all([beat, hear, look], { concurrency: "unbounded", discard: true })
  })
