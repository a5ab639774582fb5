import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  barsMaxOf,
  capacityLimits,
  refuseTooLong,
  whyTooLong
} from "../../../src/agents/backtest/capacity.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { settingsWith } from "../settings.ts"

const kept = { streamEventsMax: 1_000 }

describe("the length of a run", () => {
  it("has to fit into memory with the bars of all of its instruments", () => {
    expect(whyTooLong({ asOfs: 900, instruments: 2, bars: 1_000 }, kept, 1_000)).toBeUndefined()
    const refused = whyTooLong({ asOfs: 501, instruments: 2, bars: 1_001 }, kept, 1_000)
    expect(refused).toMatchObject({ _tag: "RunTooLong", asOfs: 501, instruments: 2, bars: 1_001 })
    expect(refused?.message).toContain("--max-old-space-size")
  })

  it("has to fit into the journal with its beginning and its end", () => {
    expect(whyTooLong({ asOfs: 998, instruments: 1, bars: 998 }, kept, 1e9)).toBeUndefined()
    const refused = whyTooLong({ asOfs: 999, instruments: 1, bars: 999 }, kept, 1e9)
    expect(refused).toMatchObject({ _tag: "RetentionTooShort", eventsNeeded: 1_001 })
    expect(refused?.message).toContain("--store.stream-events-max 1001")
  })

  it("has to fit into the journal with all parts of its rounds", () => {
    const length = { asOfs: 500, instruments: 33, bars: 500 * 33 }
    expect(whyTooLong({ ...length, instruments: 32 }, kept, 1e9)).toBeUndefined()
    // Two parts each at most, and the first of them before any decision.
    expect(whyTooLong(length, kept, 1e9)).toMatchObject({ _tag: "RetentionTooShort", eventsNeeded: 1_533 })
  })

  it("is bounded by the heap, and years of minutes fit into that of a usual machine", () => {
    const heapBytes = 4 * 2 ** 30
    const barsMax = barsMaxOf(capacityLimits.keptBytesPerBar, heapBytes)
    expect(barsMax * capacityLimits.keptBytesPerBar).toBeLessThanOrEqual(heapBytes / 2)
    expect(barsMax).toBeGreaterThan(2 * 365 * 24 * 60)
    expect(barsMaxOf(1_000, 2 * heapBytes)).toBe(Math.floor(heapBytes / 1_000))
  })

  it.scoped("is looked at on the files, before anything runs", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const [path, late] = [join(folder, "bars.csv"), join(folder, "late.csv")]
      const rows = Array.from({ length: 50 }, (_, i) => {
        const time = new Date(Date.UTC(2024, 0, 1) + i * 3_600_000).toISOString()
        return `${time},100,101,99,100,5`
      })
      const header = "timestamp,open,high,low,close,volume\n"
      writeFileSync(path, `${header}${rows.join("\n")}\n`)
      writeFileSync(late, `${header}${rows.slice(30).join("\n")}\n`)
      const paths = { "marketData.paths": path, "marketData.warmUpBarsMin": 10 }
      yield* refuseTooLong(settingsWith(paths), capacityLimits.keptBytesPerBar)
      const short = settingsWith({ ...paths, "store.streamEventsMax": 51 })
      expect(yield* Effect.flip(refuseTooLong(short, 1))).toMatchObject({
        _tag: "RetentionTooShort",
        asOfs: 50,
        streamEventsMax: 51
      })
      expect(yield* Effect.flip(refuseTooLong(settingsWith(paths), 1e12))).toMatchObject({
        _tag: "RunTooLong",
        bars: 50
      })
      // An instrument that came later has bars of its own as-ofs alone.
      const two = settingsWith({ ...paths, "marketData.paths": `${path},${late}` })
      expect(yield* Effect.flip(refuseTooLong(two, 1e12))).toMatchObject({ asOfs: 50, bars: 70 })
      const until = settingsWith({
        ...paths,
        "marketData.paths": `${path},${late}`,
        "marketData.to": String(Date.UTC(2024, 0, 1) + 40 * 3_600_000)
      })
      expect(yield* Effect.flip(refuseTooLong(until, 1e12))).toMatchObject({ asOfs: 40, bars: 50 })
    })
  )
})
