/** What the live view shows: gathered from the agents at an interval, drawn as a whole. */
import type { AccountSnapshot } from "../../protocols/Account.ts"
import type { Decision } from "../../protocols/Decision.ts"
import type { NodeStatus } from "../../protocols/NodeStatus.ts"
import type { FeedState } from "../../protocols/rpc/MarketDataRpcs.ts"
import type { OrchestratorState } from "../../protocols/rpc/OrchestratorRpcs.ts"

export interface ViewModel {
  readonly run: string
  readonly transport: string
  readonly feed: FeedState | undefined
  readonly standing: OrchestratorState | undefined
  readonly account: AccountSnapshot | undefined
  readonly nodes: ReadonlyArray<NodeStatus>
  /** The latest decision of each instrument. */
  readonly decisions: ReadonlyMap<string, Decision>
  /** As-ofs a second, lately. */
  readonly rate: number
}
