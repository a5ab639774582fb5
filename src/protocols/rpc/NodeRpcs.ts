/** Nodes: this one's status, and every one that has been heard lately. */
import { RpcGroup } from "@effect/rpc"
import { Schema } from "effect"
import { NodeStatus } from "../NodeStatus.ts"
import { call } from "../wire/Rpc.ts"

export const Status = call("Status", { payload: {}, success: NodeStatus })

export const Nodes = call("Nodes", {
  payload: {},
  success: Schema.Array(Schema.Struct({ silentMs: Schema.NonNegativeInt, status: NodeStatus }))
})

export class NodeRpcs extends RpcGroup.make(Status, Nodes) {}
