/**
 * Where messages go. Everything of a run lives under `conclave.v1.<run>`; an agent is reached as any of its
 * instances (a queue group), as the owner of a partition, or as one instance.
 */
import { createHash } from "node:crypto"
import type { AgentName, RunId } from "./Ids.ts"
import { Limits } from "./Limits.ts"

/** `control` is the branch of calls that need the operator's role; the bus grants it by subject. */
export type Branch = "rpc" | "control"

export type Address =
  | { readonly _tag: "Any"; readonly branch: Branch; readonly agent: AgentName }
  | { readonly _tag: "Owner"; readonly branch: Branch; readonly agent: AgentName; readonly partition: number }
  | {
      readonly _tag: "Instance"
      readonly branch: Branch
      readonly agent: AgentName
      readonly instance: string
    }

export const any = (agent: AgentName, branch: Branch = "rpc"): Address => ({ _tag: "Any", branch, agent })

export const owner = (agent: AgentName, partition: number, branch: Branch = "rpc"): Address => ({
  _tag: "Owner",
  branch,
  agent,
  partition
})

export const instance = (agent: AgentName, id: string, branch: Branch = "rpc"): Address => ({
  _tag: "Instance",
  branch,
  agent,
  instance: id
})

export const runPrefix = (run: RunId): string => `conclave.v1.${run}`

export const subjectOf = (run: RunId, address: Address): string => {
  const base = `${runPrefix(run)}.${address.branch}.${address.agent}`
  switch (address._tag) {
    case "Any":
      return `${base}.any`
    case "Owner":
      return `${base}.owner.${address.partition}`
    case "Instance":
      return `${base}.instance.${address.instance}`
  }
}

/** Heard by every instance of an agent, for what must reach whoever has a call in hand. */
export const everyoneSubject = (run: RunId, agent: AgentName, branch: Branch): string =>
  `${runPrefix(run)}.${branch}.${agent}.everyone`

export const topicSubject = (run: RunId, topic: string, token?: string): string =>
  token === undefined ? `${runPrefix(run)}.topic.${topic}` : `${runPrefix(run)}.topic.${topic}.${token}`

export const journalSubject = (run: RunId, stream: string): string => `${runPrefix(run)}.journal.${stream}`

/** The partition an instrument belongs to: fixed, the same on every machine. */
export const partitionOf = (instrument: string): number =>
  createHash("sha256").update(instrument).digest().readUInt32BE(0) % Limits.partitions
