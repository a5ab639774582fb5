/** What every agent of a node knows of the node and the run it lives in. */
import type { Rpc, RpcGroup } from "@effect/rpc"
import { Context, Effect, type Scope } from "effect"
import * as Address from "../protocols/wire/Address.ts"
import type * as EventType from "../protocols/wire/EventType.ts"
import { type AgentName, derivedId, type NodeId, type RunId } from "../protocols/wire/Ids.ts"
import { rootTraceparent, type Traceparent } from "../protocols/wire/Trace.ts"
import type { Bus } from "../runtime/Bus.ts"
import * as BusRpcClient from "../runtime/BusRpcClient.ts"
import * as BusRpcServer from "../runtime/BusRpcServer.ts"
import type { DeadLetters } from "../runtime/DeadLetters.ts"
import type { BusDisconnected } from "../runtime/errors.ts"
import type { Settings } from "./Settings.ts"

export class NodeContext extends Context.Tag("conclave/NodeContext")<
  NodeContext,
  {
    readonly run: RunId
    readonly node: NodeId
    /** Unique among all lives of all nodes. */
    readonly instance: string
    /** Of this node in this run. */
    readonly directory: string
    readonly settings: Settings
  }
>() {}

/** A client of an agent's calls, for as long as the scope is open. */
export const callAgent = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  agent: AgentName,
  branch: Address.Branch = "rpc"
): Effect.Effect<BusRpcClient.Client<Rpcs>, BusDisconnected, Bus | NodeContext | Scope.Scope> =>
  Effect.flatMap(NodeContext, ({ run, settings }) =>
    BusRpcClient.make(group, {
      run,
      address: Address.any(agent, branch),
      deadlineMs: settings.bus.callDeadlineMs,
      tracing: settings.telemetry.tracing
    })
  )

/** Serves an agent's calls until the scope closes. */
export const serveAgent = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  agent: AgentName,
  branch: Address.Branch = "rpc"
): Effect.Effect<
  void,
  BusDisconnected,
  | Bus
  | DeadLetters
  | NodeContext
  | Rpc.ToHandler<Rpcs>
  | Rpc.Middleware<Rpcs>
  | Rpc.Context<Rpcs>
  | Scope.Scope
> =>
  Effect.flatMap(NodeContext, ({ instance, run, settings }) =>
    BusRpcServer.serve(group, {
      run,
      agent,
      branch,
      instance,
      owns: "all",
      tracing: settings.telemetry.tracing
    })
  )

/** What an event is about: its id and trace follow from it. */
export interface About {
  readonly run: RunId
  readonly source: AgentName
  readonly asOf: number
  /** Distinguishes events of one source about one as-of. */
  readonly subject: string
  readonly causation?: string
  /** Of what brought it about; the as-of's own when absent. */
  readonly traceparent?: Traceparent
  /** When it could be known; the as-of when absent. */
  readonly knownAt?: number
}

/** The trace of everything that happens on account of one as-of. */
export const traceOf = (run: RunId, asOf: number): Traceparent => rootTraceparent(run, asOf)

/** An event's envelope, all of it following from what the event is about. */
export const enveloped = <A>(
  about: About,
  payload: A
): Omit<EventType.Event<string, A>, "type" | "version" | "epoch"> => ({
  id: derivedId(about.run, about.source, about.subject, about.asOf),
  run: about.run,
  source: about.source,
  occurredAt: about.asOf,
  knownAt: about.knownAt ?? about.asOf,
  correlation: `${about.run}/${about.asOf}`,
  causation: about.causation ?? "",
  traceparent: about.traceparent ?? traceOf(about.run, about.asOf),
  payload
})
