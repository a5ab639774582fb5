/** What the live view shows in a test: a committee that has sat for a while, with its account and its nodes. */
import { instrumentStates } from "../../../src/agents/orchestrator/standing.ts"
import type { ViewModel } from "../../../src/cli/view/Model.ts"
import type { Decision } from "../../../src/protocols/Decision.ts"
import type { NodeStatus } from "../../../src/protocols/NodeStatus.ts"
import type { ComponentStatus } from "../../../src/protocols/wire/ComponentStatus.ts"
import { NodeId } from "../../../src/protocols/wire/Ids.ts"
import { run, timeFrame } from "../../agents/feedEvents.ts"
import { roundOptions, session, snapshot } from "../../agents/orchestrator/rounds.ts"

export const componentOf = (name: string, changes: Partial<ComponentStatus> = {}): ComponentStatus => ({
  name,
  state: "running",
  restarts: 0,
  lastFailure: null,
  detail: null,
  mailbox: null,
  children: [],
  ...changes
})

const agents = [
  "model-host",
  "node",
  "context",
  "model-manager",
  "deep-learning",
  "reinforcement-learning",
  "broker",
  "orchestrator",
  "market-data"
]

export const nodeOf = (
  name = "node",
  changes: Readonly<Record<string, Partial<ComponentStatus>>> = {}
): NodeStatus => ({
  node: NodeId.make(name),
  run,
  pid: 4_242,
  transport: "in-process",
  transportDetail: "within this process",
  agents,
  tree: componentOf("conclave", { children: agents.map((agent) => componentOf(agent, changes[agent])) }),
  capabilities: null,
  residentBytes: 300 * 2 ** 20,
  counters: []
})

/** A view of so many instruments after so many bars. */
export const modelOf = (instruments: number, changes: Partial<ViewModel> = {}): ViewModel => {
  const { committee, rounds, view } = session(61, 70, instruments)
  const decisions = new Map<string, Decision>()
  for (const decision of rounds.flatMap((round) => round.decisions)) {
    decisions.set(decision.key.instrument, decision)
  }
  const standing = instrumentStates(view, committee, roundOptions)
  return {
    run,
    transport: "within this process",
    feed: {
      source: "simulator: momentum, seed 1",
      timeFrame,
      phase: "trading",
      published: 70,
      total: 1_000,
      warmUpTotal: 21,
      barsRead: 70 * instruments,
      rowsRefused: 0,
      gaps: 0,
      barsMissing: 0,
      asOf: view.asOf,
      buyAndHoldEquity: 101_000
    },
    standing,
    account: snapshot({
      equity: 98_765.43,
      fills: 12,
      fees: 345.6,
      openOrders: 1,
      positions: standing.instruments.slice(0, 1).map(({ instrument, price }) => ({
        instrument,
        lots: 10,
        price,
        value: 12_345,
        exposure: -0.125,
        profit: -1_234.56
      }))
    }),
    nodes: [nodeOf()],
    decisions,
    rate: 1.25,
    ...changes
  }
}
