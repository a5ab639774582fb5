import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import {
  activeOf,
  empty,
  evolve,
  excessLoss,
  Registry,
  surplus
} from "../../../src/agents/model-manager/Registry.ts"
import type { ModelEvent } from "../../../src/protocols/Model.ts"
import { activated, alias, manifestOf, published, retired } from "./manifests.ts"

const fold = (...events: ReadonlyArray<ModelEvent>): Registry => events.reduce(evolve, empty)
const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((name) => manifestOf(name)) as [
  ReturnType<typeof manifestOf>,
  ReturnType<typeof manifestOf>,
  ReturnType<typeof manifestOf>,
  ReturnType<typeof manifestOf>,
  ReturnType<typeof manifestOf>
]

describe("the registry of models", () => {
  it("lists the versions oldest first, each once, however often they are published", () => {
    const registry = fold(published(a), published(b), published(b), published(c))
    expect(registry.versions).toEqual([a, b, c])
    expect(fold(published(a), published(b), published(a)).versions).toEqual([b, a])
  })

  it("serves nothing under an alias that nobody has activated", () => {
    expect(activeOf(empty, alias)).toBeUndefined()
    const registry = fold(published(a), activated(a.digest))
    expect(activeOf(registry, "deep-learning/linear/1d")).toBeUndefined()
    expect(activeOf(registry, `${alias} `)).toBeUndefined()
    expect(activeOf(registry, "__proto__")).toBeUndefined()
  })

  it("has one active deployment for each alias: the latest, with the way back to the one before", () => {
    const other = "reinforcement-learning/q-table/1h"
    const registry = fold(
      published(a),
      published(b),
      activated(a.digest),
      activated(c.digest, { alias: other }),
      activated(b.digest, { previous: a.digest, since: 7, reason: "newer" })
    )
    expect(registry.deployments.length).toBe(2)
    expect(activeOf(registry, alias)).toMatchObject({ version: b.digest, previous: a.digest, since: 7 })
    expect(activeOf(registry, other)).toMatchObject({ version: c.digest, previous: null })
  })

  it("can be rolled back along the link, and forward again", () => {
    const there = fold(
      published(a),
      published(b),
      activated(a.digest),
      activated(b.digest, { previous: a.digest })
    )
    const previous = activeOf(there, alias)?.previous as string
    const back = evolve(there, activated(previous, { previous: b.digest, reason: "rolled back" }))
    expect(activeOf(back, alias)).toMatchObject({ version: a.digest, previous: b.digest })
    expect(activeOf(evolve(back, activated(b.digest, { previous: a.digest })), alias)?.version).toBe(b.digest)
  })

  it("never has two deployments of one alias, whatever is published, activated and retired", () => {
    const versions = [a, b, c, d, e]
    const any = fc.nat(versions.length - 1).map((i) => versions[i] as typeof a)
    const step = fc.oneof(
      any.map(published),
      any.map(({ digest }) => retired(digest)),
      fc
        .tuple(any, any, fc.constantFrom("x/y", "x/z"))
        .map(([version, previous, name]) =>
          activated(version.digest, { alias: name, previous: previous.digest })
        )
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (events) => {
        const registry = fold(...events)
        const aliases = registry.deployments.map((deployment) => deployment.alias)
        expect(new Set(aliases).size).toBe(aliases.length)
        for (const name of aliases) {
          const latest = events.filter(
            (event) => event.type === "DeploymentActivated" && event.payload.alias === name
          )
          expect(activeOf(registry, name)).toEqual(latest.at(-1)?.payload)
        }
        const digests = registry.versions.map(({ digest }) => digest)
        expect(new Set(digests).size).toBe(digests.length)
        expect(Schema.is(Registry)(registry)).toBe(true)
      })
    )
  })

  it("keeps the manifest of a version whose artefact is gone, and takes it back when it is published again", () => {
    const registry = fold(published(a), published(b), retired(a.digest))
    expect(registry.versions).toEqual([a, b])
    expect(registry.retired).toEqual([a.digest])
    expect(evolve(registry, published(a)).retired).toEqual([])
  })
})

describe("the validation of a version", () => {
  it("is its log loss beyond the base rate's", () => {
    expect(excessLoss(a)).toBeCloseTo(-0.05, 12)
    const bad = manifestOf("bad", {
      metrics: [
        { name: "base-log-loss", value: 1 },
        { name: "log-loss", value: 1.2 }
      ]
    })
    expect(excessLoss(bad)).toBeCloseTo(0.2, 12)
  })

  it("has nothing to say where a metric is missing", () => {
    expect(excessLoss(manifestOf("new", { metrics: [] }))).toBe(0)
    expect(excessLoss(manifestOf("new", { metrics: [{ name: "log-loss", value: 9 }] }))).toBe(0)
  })
})

describe("the limit on versions", () => {
  const all = [a, b, c, d, e]

  it("gives up the oldest beyond it", () => {
    const registry = fold(...all.map(published))
    expect(surplus(registry, 5)).toEqual([])
    expect(surplus(registry, 3)).toEqual([a.digest, b.digest])
    expect(surplus(registry, 1)).toEqual([a, b, c, d].map(({ digest }) => digest))
  })

  it("never gives up what serves or served before, however old", () => {
    const registry = fold(...all.map(published), activated(b.digest, { previous: a.digest }))
    expect(surplus(registry, 1)).toEqual([c.digest, d.digest])
  })

  it("does not count what is gone already", () => {
    const registry = fold(...all.map(published), retired(a.digest), retired(b.digest))
    expect(surplus(registry, 3)).toEqual([])
    expect(surplus(registry, 2)).toEqual([c.digest])
  })

  it("counts voters and time frames apart", () => {
    const others = ["f", "g"].map((name) => manifestOf(name, { voter: "reinforcement-learning" }))
    expect(surplus(fold(...[...all, ...others].map(published)), 2)).toEqual(
      [a, b, c].map(({ digest }) => digest)
    )
  })

  it("leaves, once all surplus is retired, nothing more to retire and no deployment without its artefact", () => {
    const any = fc.nat(all.length - 1).map((i) => all[i] as typeof a)
    const step = fc.oneof(
      any.map(published),
      fc
        .tuple(any, any)
        .map(([version, previous]) => activated(version.digest, { previous: previous.digest }))
    )
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        (events, versionsMax) => {
          const registry = fold(...events)
          const gone = surplus(registry, versionsMax)
          const after = gone.map(retired).reduce(evolve, registry)
          expect(surplus(after, versionsMax)).toEqual([])
          const serving = after.deployments.flatMap(({ previous, version }) => [version, previous])
          expect(serving.some((digest) => digest !== null && gone.includes(digest))).toBe(false)
          const kept = after.versions.filter(({ digest }) => !after.retired.includes(digest))
          expect(kept.length).toBeLessThanOrEqual(versionsMax + new Set(serving).size)
        }
      )
    )
  })
})
