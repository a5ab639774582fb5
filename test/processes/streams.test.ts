/** The market-intelligence streams of a running system, as people and programs ask for them. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { marketFeatureSchema } from "../../src/market/features/MarketFeatures.ts"
import { type FeaturesReading, Publication, publishedAtOf, StreamName } from "../../src/protocols/Streams.ts"
import { paced } from "../support/bars.ts"
import { conclave, linesOf, runConclave, until, untilAnswered } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"

describe("the streams of a running system", () => {
  it.scopedLive(
    "are shown by `conclave streams`, and refused in one line where they are not asked for rightly",
    () =>
      Effect.gen(function* () {
        const directory = join(yield* temporaryDirectory, "data")
        const how = ["--data-directory", directory]
        const often = ["--streams.prices-every-ms", "1000", "--streams.features-every-ms", "2000"]
        const up = yield* conclave([
          ...["up", ...paced, "--speed", "20x", "--json", "--transport", "in-process"],
          ...[...often, ...how]
        ])
        yield* until(
          "decisions after the warm-up",
          () => up.lines().some(({ inputs }) => (inputs as { warmUp: boolean }).warmUp === false),
          { of: up }
        )
        // With bars of a minute, one comes every three seconds, and prices are told every second.
        const times = new Map<number, Set<number>>()
        const prices = yield* untilAnswered(
          "prices of several bars, and between bars",
          Effect.map(runConclave(["streams", "prices", "--history", "100", "--json", ...how]), (asked) => {
            const found = linesOf(asked) as unknown as ReadonlyArray<Publication>
            for (const publication of found) {
              const { asOf } = publication
              times.set(asOf, (times.get(asOf) ?? new Set()).add(publishedAtOf(publication)))
            }
            const isBetweenBars = [...times.values()].some(({ size }) => size > 1)
            return found.length >= 3 && isBetweenBars ? found : undefined
          }),
          60_000
        )
        // Of each as-of the last is held, in the order in which they were published.
        for (const of of [prices.map(publishedAtOf), prices.map(({ asOf }) => asOf)]) {
          expect(of).toEqual([...new Set(of)].sort((a, b) => a - b))
        }

        const latest = yield* runConclave(["streams", "--json", ...how])
        expect({ code: latest.code, stderr: latest.stderr }).toEqual({ code: 0, stderr: "" })
        const publications = linesOf(latest)
        expect(publications.map(({ stream }) => stream)).toEqual([...StreamName.literals])
        expect(publications.every(Schema.is(Publication))).toBe(true)
        expect(publications[0]).toMatchObject({ type: "stream", reading: { status: "available" } })

        const features = publications.find(({ stream }) => stream === "market-features") as unknown as {
          readonly reading: FeaturesReading
        }
        if (features.reading.status === "unavailable") throw new Error(features.reading.reason)
        expect(features.reading.features.map(({ name }) => name)).toEqual(marketFeatureSchema.names)
        expect(features.reading.features[0]).toMatchObject({
          status: "absent",
          reason: "no source is configured (streams.vixSource)"
        })

        const text = yield* runConclave(["streams", "prices", "real-wages", ...how])
        expect(text.stdout).toMatch(/^prices +\d{4}-.*ALPHA [\d.]+/)
        expect(text.stdout).toMatch(/real-wages .*no source is configured \(streams\.wagesSource\)/)

        const refused = yield* runConclave(["streams", "--history", "5", ...how])
        expect(refused).toMatchObject({ code: 1, stdout: "" })
        expect(refused.stderr).toBe("conclave: --history is of one stream: name it.\n")
      }),
    180_000
  )
})
