/**
 * The supervision tree of a node, readable in one place. Children start from top to bottom and stop from bottom to
 * top: who feeds the others comes last and stops first.
 *
 * - A voter that cannot be kept alive is given up alone: the orchestrator goes on without it, as the rules for a
 *   missing voter say. So is the streams agent, which nobody waits for.
 * - Everything else escalates: the node ends, its launcher starts it again within a budget of its own, and whoever
 *   stands by for its leases takes over meanwhile.
 */

import { Effect } from "effect"
import type { AgentName } from "../protocols/wire/Ids.ts"
import type { BranchSpec, ChildSpec, RestartPolicy } from "../runtime/Supervisor.ts"
import * as BrokerAgent from "./broker/BrokerAgent.ts"
import * as ContextAgent from "./context/ContextAgent.ts"
import * as DeepLearningAgent from "./deep-learning/DeepLearningAgent.ts"
import * as MarketDataAgent from "./market-data/MarketDataAgent.ts"
import { ModelHost } from "./model-host/ModelHost.ts"
import * as ModelManagerAgent from "./model-manager/ModelManagerAgent.ts"
import * as NodeAgent from "./node/NodeAgent.ts"
import * as OrchestratorAgent from "./orchestrator/OrchestratorAgent.ts"
import * as ReinforcementLearningAgent from "./reinforcement-learning/ReinforcementLearningAgent.ts"
import type { Settings } from "./Settings.ts"
import * as StreamsAgent from "./streams/StreamsAgent.ts"

export const restartPolicy: RestartPolicy = {
  mode: "permanent",
  restartsMax: 5,
  withinMs: 60_000,
  backoffMs: 50,
  backoffMaxMs: 5_000,
  jitter: 0.2,
  whenSpent: "escalate"
}

const restart = restartPolicy

/** A voter may fail for good without the others, and so may whoever nobody depends on. */
const voter: RestartPolicy = { ...restart, whenSpent: "give-up" }

/** Its child dies of every model that is too much for it: more tries, and no harm to anybody else. */
const modelHost: RestartPolicy = { ...restart, restartsMax: 20, whenSpent: "give-up" }

/** @param before components that everything else rests on, like a nats-server of one's own */
export const supervisionTree = (settings: Settings, before: ReadonlyArray<ChildSpec<never>>) => {
  const { shutdownMs } = settings.node
  const runs = (agent: AgentName) =>
    settings.node.agents.includes("all") || settings.node.agents.includes(agent)
  const hasVoter = runs("deep-learning") || runs("reinforcement-learning")
  const host = {
    name: "model-host",
    restart: modelHost,
    shutdownMs,
    run: (component: Parameters<typeof NodeAgent.run>[0]) =>
      Effect.flatMap(ModelHost, ({ live }) => live(component))
  }
  const agents = [
    { name: "node", restart, shutdownMs, run: NodeAgent.run },
    { name: "context", restart, shutdownMs, run: ContextAgent.run },
    { name: "model-manager", restart, shutdownMs, run: ModelManagerAgent.run },
    { name: "deep-learning", restart: voter, shutdownMs, run: DeepLearningAgent.run(settings) },
    {
      name: "reinforcement-learning",
      restart: voter,
      shutdownMs,
      run: ReinforcementLearningAgent.run(settings)
    },
    // Nobody depends on it.
    { name: "streams", restart: voter, shutdownMs, run: StreamsAgent.run },
    { name: "broker", restart, shutdownMs, run: BrokerAgent.run },
    { name: "orchestrator", restart, shutdownMs, run: OrchestratorAgent.run },
    { name: "market-data", restart, shutdownMs, run: MarketDataAgent.run }
  ] as const
  const children = agents.filter(({ name }) => name === "node" || runs(name))
  type Services = ChildSpecServices<(typeof agents)[number]> | ModelHost
  return {
    name: "conclave",
    // The root is not restarted within the process: that is the launcher's part.
    restart: { ...restart, restartsMax: 0 },
    shutdownMs: shutdownMs * 2,
    children: [...before, ...(hasVoter ? [host] : []), ...children] as ReadonlyArray<ChildSpec<Services>>
  } satisfies BranchSpec<Services>
}

type ChildSpecServices<Spec> = Spec extends {
  readonly run: (...args: never) => Effect.Effect<unknown, unknown, infer R>
}
  ? Exclude<R, import("effect").Scope.Scope>
  : never
