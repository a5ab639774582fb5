import { describe } from "@effect/vitest"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import { natsBus } from "../support/nats.ts"
import { rpcConformance } from "./rpcConformance.ts"

describe("RPC within a process", () => {
  rpcConformance(InProcessBus.layer)
})

describe("RPC over NATS", () => {
  rpcConformance(natsBus)
})
