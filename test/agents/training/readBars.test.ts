import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readBars } from "../../../src/agents/training/readBars.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { writeBarFile } from "../../support/bars.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { settingsWith } from "../settings.ts"

const file = Effect.map(temporaryDirectory, (folder) => {
  const path = join(folder, "bars.csv")
  writeBarFile(path, { asOfs: 50, instruments: 3 })
  return path
})

describe("the bars of a file", () => {
  it.scoped("are those of the instruments, the time frame and the last as-ofs that are asked for", () =>
    Effect.gen(function* () {
      const path = yield* file
      const all = yield* readBars(path, settingsWith())
      expect(all.instruments.map(({ close }) => close.length)).toEqual([50, 50, 50])
      expect(all.timeFrame).toBe("1m")
      const first = all.instruments[0]
      const two = yield* readBars(path, settingsWith({ "marketData.instrumentsMax": 2 }))
      expect(two.instruments.length).toBe(2)
      expect(two.digest).toBe(all.digest)
      const one = yield* readBars(
        path,
        settingsWith({ "marketData.symbols": "BRAVO", "marketData.lastAsOfs": 7 })
      )
      expect(one.instruments.map(({ instrument }) => instrument.symbol)).toEqual(["BRAVO"])
      expect(one.instruments[0]?.close).toEqual(all.instruments[1]?.close.slice(-7))
      expect(one.instruments[0]?.openTime.length).toBe(7)
      const longer = yield* readBars(path, settingsWith({ "marketData.lastAsOfs": 4 }), TimeFrame.make("5m"))
      expect(longer.timeFrame).toBe("5m")
      expect(longer.instruments[0]?.close.length).toBe(4)
      expect(longer.instruments[0]?.close.at(-1)).toBe(first?.close.at(-1))
    })
  )
})
