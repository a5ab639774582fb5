import { describe, expect, it } from "@effect/vitest"
import { RecentIds } from "../../../src/market/execution/RecentIds.ts"

describe("recent ids", () => {
  it("remember the last hundred thousand, and do not grow without end", () => {
    const ids = new RecentIds()
    for (let i = 0; i < 250_000; i++) ids.add(String(i))
    expect([ids.has("249999"), ids.has("150000"), ids.has("0"), ids.has("250000")]).toEqual([
      true,
      true,
      false,
      false
    ])
  })
})
