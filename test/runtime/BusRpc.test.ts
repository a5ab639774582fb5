import { describe } from "@effect/vitest"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import { natsBus } from "../support/nats.ts"
import { rpcConformance } from "./rpcConformance.ts"
import { rpcIsolationConformance } from "./rpcIsolationConformance.ts"

describe("RPC within a process", () => {
  rpcConformance(InProcessBus.layer)
  rpcIsolationConformance(InProcessBus.layer)
})

describe("RPC over NATS", () => {
  rpcConformance(natsBus)
  rpcIsolationConformance(natsBus)
})
