import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { barsBetween, dayMs } from "../../../../src/market/time/Calendar.ts"
import { TimeFrame } from "../../../../src/protocols/TimeFrame.ts"
import { temporaryDirectory } from "../../../support/directory.ts"
import { barsText, hourMs, longText, put, startTime } from "../files.ts"
import { open, unlimited } from "./sources.ts"

const oneHour = TimeFrame.make("1h")
const settings = (files: ReadonlyArray<unknown>, more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "file",
  name: "files",
  files,
  ...more
})

describe("bars from files", () => {
  it.scopedLive("come from the first to before the last, each as the file has it", () =>
    Effect.gen(function* () {
      const path = put(yield* temporaryDirectory, "ALPHA_1h.csv", barsText(3_000))
      const source = yield* open(settings([{ path, instrument: "venue:ALPHA:spot" }]))
      expect(source).toMatchObject({ name: "files", kind: "file", live: null })
      const [instrument] = yield* source.instruments
      expect(instrument?.id).toBe("venue:ALPHA:spot")
      if (instrument === undefined || source.history === null) throw new Error("there is no history")
      const read = (from: number, to: number, timeFrame = oneHour) =>
        Effect.map(
          Stream.runCollect(
            source.history?.({ instrument, timeFrame, from, to }) ?? Stream.dieMessage("there is no history")
          ),
          (bars) => [...bars]
        )
      const bars = yield* read(startTime + 1.5 * hourMs, startTime + 2_500 * hourMs)
      expect(bars.map(({ close }) => close)).toEqual(Array.from({ length: 2_498 }, (_, i) => 102 + i))
      expect(bars[0]).toMatchObject({ source: "files", sequence: 2, knownAt: startTime + 3 * hourMs })
      expect(yield* read(0, startTime)).toEqual([])
      expect((yield* read(startTime + 2_999 * hourMs, Number.MAX_SAFE_INTEGER)).length).toBe(1)
      const error = yield* Effect.flip(read(0, startTime, TimeFrame.make("1m")))
      expect(error.message).toContain("hold no bars of venue:ALPHA:spot 1m")
    })
  )

  it.scopedLive("are those that are chosen, and refused twice or where no file is", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = put(directory, "many.csv", longText(["A", "B", "C"], 300))
      const source = yield* open(settings([{ path }], { symbols: ["B"] }))
      expect((yield* source.instruments).map(({ symbol }) => symbol)).toEqual(["B"])
      const twice = yield* Effect.flip(open(settings([{ path }, { path }])))
      expect(twice.message).toContain("stands in more than one file")
      const nowhere = yield* Effect.flip(open(settings([{ path: `${directory}/nowhere.csv` }])))
      expect(nowhere).toMatchObject({ kind: "refused", source: "files" })
      expect(nowhere.message).toContain("there is no such file")
    })
  )

  it.scopedLive("close by the calendar of the run, and leave out a day without a session", () =>
    Effect.gen(function* () {
      const days = Array.from({ length: 420 }, (_, day) => Date.UTC(2018, 0, 1) + day * dayMs)
      const sessions = days.filter((time) => barsBetween("nyse", dayMs, time, time + dayMs) > 0)
      const holiday = Date.UTC(2018, 10, 22)
      const rows = [...sessions, holiday].sort((a, b) => a - b)
      const text = ["date,close", ...rows.map((time) => `${new Date(time).toISOString().slice(0, 10)},100`)]
      const path = put(yield* temporaryDirectory, "SPX_1d.csv", text.join("\n"))
      const source = yield* open(settings([{ path }]), unlimited, "nyse")
      const [instrument] = yield* source.instruments
      if (instrument === undefined || source.history === null) throw new Error("there is no history")
      expect(instrument.calendar).toBe("nyse")
      const day = { instrument, timeFrame: TimeFrame.make("1d"), from: holiday, to: holiday + 2 * dayMs }
      const bars = [...(yield* Stream.runCollect(source.history(day)))]
      expect(bars.map(({ closeTime }) => closeTime)).toEqual([Date.UTC(2018, 10, 23, 18)])
      expect(source.refused()).toBe(1)
    })
  )
})
