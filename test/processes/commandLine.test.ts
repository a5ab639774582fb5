/** The commands against a running system: over its socket, whatever its transport is, and over NATS from elsewhere. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { paced } from "../support/bars.ts"
import { conclave, type Line, linesOf, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { natsServer } from "../support/natsServer.ts"

const one = (lines: ReadonlyArray<Line>): Line => {
  expect(lines).toHaveLength(1)
  return lines[0] as Line
}

/** Runs commands that have to succeed, reaching the system by the arguments given. */
const asker = (how: ReadonlyArray<string>) => {
  const ask = (...args: ReadonlyArray<string>) =>
    Effect.map(runConclave([...args, ...how]), (ended) => {
      expect(ended.stderr).toBe("")
      expect(ended.code).toBe(0)
      return ended.stdout
    })
  const asked = (...args: ReadonlyArray<string>) =>
    Effect.map(ask(...args, "--json"), (stdout) => linesOf({ stdout }))
  return { ask, asked }
}

const checkStatus = (how: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    expect(one(yield* asker(how).asked("status"))).toMatchObject({
      type: "status",
      nodes: [{ silentMs: 0 }],
      feed: { phase: "trading" },
      account: { startingCash: 100_000 }
    })
  })

interface Component {
  readonly name: string
  readonly state: string
}

/** Every command by JSON; gives a decision to ask about. */
const checkJson = (how: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { asked } = asker(how)
    yield* checkStatus(how)
    const { nodes } = one(yield* asked("agents")) as unknown as {
      readonly nodes: ReadonlyArray<{ readonly tree: { readonly children: ReadonlyArray<Component> } }>
    }
    const running = nodes[0]?.tree.children.filter(({ state }) => state === "running")
    const names = ["broker", "context", "deep-learning", "market-data", "model-host", "model-manager"]
    expect(running?.map(({ name }) => name)).toEqual(expect.arrayContaining(names))

    const decision = one(yield* asked("decide", "BRAVO"))
    expect(decision).toMatchObject({ type: "decision", key: { instrument: "sim:BRAVO:spot" } })
    const { asOf } = decision.key as { readonly asOf: number }
    const again = one(yield* asked("decide", "bravo", "--as-of", new Date(asOf).toISOString()))
    expect(again).toEqual(decision)
    const whatIf = one(yield* asked("decide", "BRAVO", "--horizon", "4", "--band", "0.5"))
    expect(whatIf).toMatchObject({ inputs: { question: { band: 0.5 } } })

    expect(yield* asked("decisions", "--latest", "5")).toHaveLength(5)
    const ofOne = yield* asked("decisions", "ALPHA", "--latest", "3")
    const instruments = ofOne.map(({ key }) => (key as { instrument: string }).instrument)
    expect(instruments).toEqual(Array.from({ length: 3 }, () => "sim:ALPHA:spot"))

    const replayed = one(yield* asked("replay", decision.id as string))
    expect(replayed).toMatchObject({ type: "replay", differences: [], deep: null })
    const deep = one(yield* asked("replay", (decision.id as string).slice(0, 12), "--deep"))
    expect(deep).toMatchObject({ differences: [], decision: { id: decision.id } })
    const answers = deep.deep as ReadonlyArray<{
      readonly recorded: { readonly voter: string; readonly _tag: string }
      readonly probabilityDifferenceMax: number | null
    }>
    const opinions = answers.filter(({ recorded }) => recorded._tag === "Opinion")
    const voters = opinions.map(({ recorded }) => recorded.voter)
    expect(voters).toEqual(["deep-learning", "reinforcement-learning"])
    for (const { probabilityDifferenceMax } of opinions) expect(probabilityDifferenceMax).toBeLessThan(1e-6)
    return { id: decision.id as string, asOf }
  })

/** Every command as people read it. */
const checkPlain = (
  how: ReadonlyArray<string>,
  { asOf, id }: { readonly id: string; readonly asOf: number }
) =>
  Effect.gen(function* () {
    const { ask } = asker(how)
    expect(yield* ask("status")).toMatch(
      /node node: run .*\n(.|\n)*committee: \d+ rounds(.|\n)*account: equity/
    )
    expect(yield* ask("agents")).toMatch(/orchestrator +running/)
    expect(yield* ask("decide", "BRAVO", "--as-of", String(asOf))).toContain(id)
    expect((yield* ask("decisions", "--latest", "2")).trim().split("\n")).toHaveLength(2)
    expect(yield* ask("replay", id)).toContain("the record follows from its inputs")
    expect(yield* ask("replay", id, "--deep")).toContain("answers the same within")
  })

/** Follows the decisions while they come, and ends like a shell's job. */
const checkFollow = (how: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const following = yield* conclave(["decisions", "--follow", "--latest", "4", "--json", ...how])
      yield* until("decisions to come", () => following.lines().length >= 10, { of: following })
      const lines = following.lines()
      expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length)
      const times = lines.map(({ key }) => (key as { readonly asOf: number }).asOf)
      expect(times).toEqual([...times].sort((a, b) => a - b))
      yield* following.signal("SIGINT")
      expect(yield* following.ended).toMatchObject({ code: 0, stderr: "" })
    })
  )

const checkStop = (how: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const stopped = one(linesOf(yield* runConclave(["stop", "--emergency", "--json", ...how])))
    expect(stopped).toMatchObject({ type: "stop" })
    expect(["flat", "flattening"]).toContain(stopped.state)
    const again = yield* runConclave(["stop", "--emergency", ...how])
    expect(again).toMatchObject({ code: 0, stderr: "" })
    expect(again.stdout).toMatch(/^(flat|flattening): \d+ orders cancelled, \d+ positions left\n$/)
    expect((yield* runConclave(["status", ...how])).stdout).toContain("STOPPED")
    const released = yield* runConclave(["stop", "--release", "--json", ...how])
    expect(one(linesOf(released))).toEqual({ type: "release", wasLatched: true })
    expect((yield* runConclave(["stop", "--release", ...how])).stdout).toBe("trading was not stopped\n")
  })

/** A paced system of three instruments past its warm-up. */
const trading = (extra: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = join(yield* temporaryDirectory, "data")
    const up = yield* conclave(["up", ...paced, "--json", "--data-directory", directory, ...extra])
    yield* until(
      "decisions after the warm-up",
      () => up.lines().some(({ inputs }) => (inputs as { warmUp: boolean }).warmUp === false),
      { of: up }
    )
    return { up, directory }
  })

describe("the commands", () => {
  it.scopedLive(
    "reach a system within one process by its socket",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* trading(["--transport", "in-process"])
        const how = ["--data-directory", directory]
        const decision = yield* checkJson(how)
        yield* checkPlain(how, decision)
        yield* checkFollow(how)
        yield* checkStop(how)
      }),
    120_000
  )

  it.scopedLive(
    "reach a system on NATS by its socket, and by the server's address from elsewhere",
    () =>
      Effect.gen(function* () {
        const { url } = yield* natsServer
        const { directory } = yield* trading(["--nats", url])
        yield* checkStatus(["--data-directory", directory])
        yield* checkFollow(["--data-directory", directory])
        const elsewhere = ["--nats", url, "--data-directory", join(directory, "elsewhere")]
        yield* checkJson(elsewhere)
        yield* checkFollow(elsewhere)
        yield* checkStop(elsewhere)
      }),
    120_000
  )
})
