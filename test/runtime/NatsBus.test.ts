import { describe } from "@effect/vitest"
import { natsBus } from "../support/nats.ts"
import { busConformance } from "./busConformance.ts"

describe("the bus over NATS", () => {
  busConformance(natsBus)
})
