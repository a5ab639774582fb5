import { describe } from "@effect/vitest"
import * as InProcessBus from "../../src/runtime/InProcessBus.ts"
import { busConformance } from "./busConformance.ts"

describe("the bus within a process", () => {
  busConformance(InProcessBus.layer)
})
