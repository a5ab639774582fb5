import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { readBars } from "../../../src/agents/training/readBars.ts"
import { closeTimeAt } from "../../../src/market/BarSeries.ts"
import { TimeFrame } from "../../../src/protocols/TimeFrame.ts"
import { writeBarFile } from "../../support/bars.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { dailyText, sessionDates } from "../../support/sessions.ts"
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

  it.scoped("are on the calendar that is asked for, in longer time frames too", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "SPX_1d.csv")
      writeFileSync(path, dailyText(sessionDates("2018-11-12", "2018-12-31")))
      const nyse = settingsWith({ "marketData.calendar": "nyse" })
      const closes = (bars: Effect.Effect.Success<ReturnType<typeof readBars>>) =>
        bars.instruments.flatMap((series) =>
          [...series.openTime.keys()].map((bar) => closeTimeAt(series, bar))
        )
      const days = yield* readBars(path, nyse)
      expect(closes(days).slice(7, 10).map(isoOf)).toEqual([
        "2018-11-21T21:00:00.000Z",
        "2018-11-23T18:00:00.000Z",
        "2018-11-26T21:00:00.000Z"
      ])
      const weeks = yield* readBars(path, nyse, TimeFrame.make("1w"))
      expect(closes(weeks).slice(0, 3).map(isoOf)).toEqual([
        "2018-11-16T21:00:00.000Z",
        "2018-11-23T18:00:00.000Z",
        "2018-11-30T21:00:00.000Z"
      ])
      writeFileSync(path, dailyText(["2018-12-24", "2018-12-25", "2018-12-26"]))
      const refusal = yield* Effect.flip(readBars(path, nyse))
      expect(refusal.message).toContain("the first of 2018-12-25.")
    })
  )
})

const isoOf = (time: number) => new Date(time).toISOString()
