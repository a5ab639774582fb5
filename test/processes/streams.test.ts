/** The market-intelligence streams of a running system, as people and programs ask for them. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Publication, StreamName } from "../../src/protocols/Streams.ts"
import { paced } from "../support/bars.ts"
import { conclave, linesOf, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

describe("the streams of a running system", () => {
  it.scopedLive(
    "are shown by `conclave streams`, and refused in one line where they are not asked for rightly",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const how = ["--data-directory", directory]
        const up = yield* conclave(["up", ...paced, "--json", "--transport", "in-process", ...how])
        yield* until(
          "decisions after the warm-up",
          () => up.lines().some(({ inputs }) => (inputs as { warmUp: boolean }).warmUp === false),
          { of: up }
        )
        const latest = yield* runConclave(["streams", "--json", ...how])
        expect({ code: latest.code, stderr: latest.stderr }).toEqual({ code: 0, stderr: "" })
        const publications = linesOf(latest)
        expect(publications.map(({ stream }) => stream)).toEqual([...StreamName.literals])
        expect(publications.every(Schema.is(Publication))).toBe(true)
        expect(publications[0]).toMatchObject({ type: "stream", reading: { status: "available" } })

        const text = yield* runConclave(["streams", "prices", "real-wages", ...how])
        expect(text.stdout).toMatch(/^prices +\d{4}-.*ALPHA [\d.]+/)
        expect(text.stdout).toMatch(/real-wages .*no source is configured \(streams\.wagesSource\)/)
        const history = yield* runConclave(["streams", "prices", "--history", "5", "--json", ...how])
        expect(linesOf(history).length).toBeGreaterThan(0)

        const refused = yield* runConclave(["streams", "--history", "5", ...how])
        expect(refused).toMatchObject({ code: 1, stdout: "" })
        expect(refused.stderr).toBe("conclave: --history is of one stream: name it.\n")
      }),
    120_000
  )
})
