import { mkdirSync, utimesSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Logger, TestClock } from "effect"
import { pauseMs, pauseMsMax, sourceBytesMax } from "../../../src/agents/streams/OutsideSource.ts"
import { seriesSource } from "../../../src/agents/streams/SeriesSource.ts"
import { temporaryDirectory } from "../../support/directory.ts"
import { quiet } from "../../support/store.ts"

const layout = { columns: { value: { min: 0, max: 100 } }, labelColumn: null, lagMs: 0 }
const sourceOf = (location: string) => seriesSource<"value">(location, "streams.valueSource", layout)
const textOf = (...values: ReadonlyArray<number>) =>
  ["date,value", ...values.map((value, i) => `2024-01-0${i + 1},${value}`)].join("\n")
/** What is read, by its values, or why nothing is. */
const read = (source: ReturnType<typeof sourceOf>, refresh = true) =>
  Effect.map(source.read(refresh), (series) =>
    typeof series === "string" ? series : series.rows.map(({ values }) => values.value)
  ).pipe(Effect.provide(quiet))

const serving = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly address: string; readonly close: () => void }>((resume) => {
      const server = createServer(answer)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            address: `http://127.0.0.1:${port}/figures.csv?key=secret`,
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )

describe("a series of a file", () => {
  it.scopedLive("is read again when it has changed, and only when it is asked to look", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "values.csv")
      writeFileSync(path, textOf(1, 2))
      const source = sourceOf(path)
      expect(source.name).toBe(path)
      expect(yield* read(source, false)).toEqual([1, 2])
      writeFileSync(path, textOf(3, 4))
      utimesSync(path, new Date(1_000_000), new Date(1_000_000))
      expect(yield* read(source, false)).toEqual([1, 2])
      expect(yield* read(source)).toEqual([3, 4])
    })
  )

  it.scopedLive(
    "that has become unreadable leaves what was read before; that never was gives its reason",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const path = join(directory, "values.csv")
        writeFileSync(path, textOf(1))
        const source = sourceOf(path)
        expect(yield* read(source)).toEqual([1])
        writeFileSync(path, "date,value\n2024-01-01,many")
        expect(yield* read(source)).toEqual([1])
        expect(yield* read(sourceOf(path))).toMatch(/line 2 has a value that is no number/)
        expect(yield* read(sourceOf(join(directory, "nothing.csv")))).toMatch(/cannot be read: .*ENOENT/)
        mkdirSync(join(directory, "folder"))
        expect(yield* read(sourceOf(join(directory, "folder")))).toMatch(/cannot be read/)
        writeFileSync(path, "x".repeat(sourceBytesMax + 1))
        expect(yield* read(sourceOf(path))).toMatch(/more than the 524288 bytes allowed/)
      })
  )

  it.effect("that is not configured says which key would", () =>
    Effect.gen(function* () {
      expect(yield* read(sourceOf(""))).toBe("no source is configured (streams.valueSource)")
      expect(sourceOf("").name).toBe("")
    })
  )
})

describe("a series of an address", () => {
  it.scopedLive("is asked for with its ETag, and taken when it has changed", () =>
    Effect.gen(function* () {
      const asked: Array<string | undefined> = []
      let version = 1
      const { address } = yield* serving((request, response) => {
        asked.push(request.headers["if-none-match"])
        const etag = `"v${version}"`
        if (request.headers["if-none-match"] === etag) response.writeHead(304).end()
        else response.writeHead(200, { etag }).end(textOf(version))
      })
      const source = sourceOf(address)
      expect(source.name).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/figures\.csv$/)
      expect(yield* read(source)).toEqual([1])
      expect(yield* read(source)).toEqual([1])
      version = 2
      expect(yield* read(source)).toEqual([2])
      expect(asked).toEqual([undefined, '"v1"', '"v1"'])
    })
  )

  it.scopedLive("is asked for by its date where it has no ETag", () =>
    Effect.gen(function* () {
      const asked: Array<string | undefined> = []
      const modified = "Mon, 01 Jan 2024 00:00:00 GMT"
      const { address } = yield* serving((request, response) => {
        asked.push(request.headers["if-modified-since"])
        if (request.headers["if-modified-since"] === modified) response.writeHead(304).end()
        else response.writeHead(200, { "last-modified": modified }).end(textOf(5))
      })
      const source = sourceOf(address)
      expect(yield* read(source)).toEqual([5])
      expect(yield* read(source)).toEqual([5])
      expect(asked).toEqual([undefined, modified])
    })
  )

  it.scopedLive("that fails, redirects, never ends or is a login page gives its reason", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [(response: ServerResponse) => void, RegExp]> = [
        [(response) => response.writeHead(503).end(), /the answer was 503/],
        [(response) => response.writeHead(304).end(), /the answer was 304/],
        [(response) => response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(), /redirect/],
        [(response) => response.writeHead(200).end("<html>sign in</html>"), /has no column date, value/],
        [(response) => response.writeHead(200).end(Buffer.alloc(sourceBytesMax + 1, "x")), /more than the/],
        [(response) => response.destroy(), /cannot be read/]
      ]
      for (const [answer, reason] of cases) {
        const { address } = yield* serving((_, response) => answer(response))
        expect(yield* read(sourceOf(address))).toMatch(reason)
      }
      expect(yield* read(sourceOf("http://127.0.0.1:1/nobody"))).toMatch(/cannot be read/)
      expect(yield* read(sourceOf("http://"))).toMatch(/cannot be read/)
    })
  )

  it.scoped("that fails is asked again after a pause that grows, and told of when the reason changes", () =>
    Effect.gen(function* () {
      let asked = 0
      let status = 500
      const { address } = yield* serving((_, response) => {
        asked++
        response.writeHead(status).end(textOf(7))
      })
      const source = sourceOf(address)
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => said.push(String(message)))
      const look = (refresh = true) =>
        Effect.map(source.read(refresh), (series) => (typeof series === "string" ? series : "there")).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
      // A look every minute, for four hours.
      const minutes: Array<number> = []
      for (let minute = 0; minute < 240; minute++) {
        const before = asked
        expect(yield* look()).toMatch(/the answer was 500/)
        if (asked > before) minutes.push(minute)
        yield* TestClock.adjust(60_000)
      }
      expect([pauseMs, pauseMsMax]).toEqual([60_000, 3_600_000])
      expect(minutes).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183])
      expect(said).toHaveLength(1)
      // In lock-step nothing goes by the clock.
      expect(yield* look(false)).toMatch(/the answer was 500/)
      expect(asked).toBe(minutes.length + 1)

      status = 503
      yield* TestClock.adjust(pauseMsMax)
      expect(yield* look()).toMatch(/the answer was 503/)
      expect(said).toHaveLength(2)
      status = 200
      yield* TestClock.adjust(pauseMsMax)
      expect([yield* look(), yield* look()]).toEqual(["there", "there"])
      // After a success the first pause is the shortest again, and the failure is told.
      status = 503
      expect([yield* look(), yield* look()]).toEqual(["there", "there"])
      expect(said).toHaveLength(3)
      expect(said[2]).toMatch(/What was read before stands/)
      const before = asked
      yield* TestClock.adjust(pauseMs)
      yield* look()
      expect(asked).toBe(before + 1)
    })
  )

  it.scopedLive("that answers no more leaves what was read before", () =>
    Effect.gen(function* () {
      let isWell = true
      const { address } = yield* serving((_, response) => {
        if (isWell) response.writeHead(200).end(textOf(7))
        else response.writeHead(500).end()
      })
      const source = sourceOf(address)
      expect(yield* read(source)).toEqual([7])
      isWell = false
      expect(yield* read(source)).toEqual([7])
    })
  )
})
