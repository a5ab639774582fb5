import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { featureSources } from "../../../src/agents/streams/featureSources.ts"
import { sourceBytesMax } from "../../../src/agents/streams/OutsideSource.ts"
import { dayOf } from "../../../src/market/time/Calendar.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { settingsWith } from "../settings.ts"

const quiet = Logger.remove(Logger.defaultLogger)
const day = dayOf(Date.UTC(2018, 10, 23))

describe("what the features of the market take from outside", () => {
  it.scopedLive("is read from tables as `conclave features` takes them, packed or not", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const put = (name: string, content: string | Uint8Array) => {
        writeFileSync(join(folder, name), content)
        return join(folder, name)
      }
      const sources = featureSources(
        settingsWith({
          "streams.vixSource": put(
            "vix.csv.gz",
            gzipSync("date,open,close\n2018-11-23,1,14.5\n2018-11-26,1,\n")
          ),
          "streams.putCallSource": put("put_call.csv", "put_call_ratio,date\n0.9,2018-11-23\n"),
          "streams.sectorsSource": put("sectors.csv", "ticker,sector\nAAA,Energy\n")
        }).streams
      )
      expect(sources.names).toEqual(
        ["vix.csv.gz", "put_call.csv", "sectors.csv"].map((name) => join(folder, name))
      )
      const { index, putCall, sectors, vix } = yield* sources.read(true)
      if (typeof vix === "string" || typeof putCall === "string") throw new Error(`${vix} ${putCall}`)
      expect([vix.first, vix.on(day), vix.on(day + 3), vix.on(day + 4)]).toEqual([day, 14.5, null, null])
      expect(putCall.on(day)).toBe(0.9)
      expect(sectors).toMatchObject({ of: new Map([["AAA", "Energy"]]) })
      expect(index).toBe(null)
    })
  )

  it.scopedLive(
    "is a reason where there is nothing, where it does not read, and where it unpacks to too much",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryDirectory
        const [vix, putCall, index] = ["vix.csv", "put_call.csv.gz", "index.csv.gz"].map((name) =>
          join(folder, name)
        )
        writeFileSync(vix as string, "date,close\n2018-11-23,-1\n")
        writeFileSync(putCall as string, gzipSync(Buffer.alloc(sourceBytesMax + 1)))
        writeFileSync(index as string, Uint8Array.of(0x1f, 0x8b, 1, 2))
        const changes = {
          "streams.vixSource": vix as string,
          "streams.putCallSource": putCall as string,
          "streams.indexSource": index as string
        }
        const read = yield* featureSources(settingsWith(changes).streams).read(true)
        expect(read.vix).toMatch(/line 2 has the close "-1"/)
        expect(read.putCall).toMatch(/more than the 524288 bytes allowed/)
        expect(read.index).toMatch(/index\.csv\.gz cannot be read/)
        expect(read.sectors).toBe("no source is configured (streams.sectorsSource)")
      }).pipe(Effect.provide(quiet))
  )
})
