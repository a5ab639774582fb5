/** SIGKILL of everything at random points of a run, and a resumption that ends as if nothing had happened. */
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { quick, writeBarFile } from "../support/bars.ts"
import { conclave, type Line, linesOf, type Running, runConclave, until } from "../support/conclave.ts"
import { temporaryDirectory } from "../support/directory.ts"
import { natsServer } from "../support/natsServer.ts"

const asOfs = 220
const instruments = 3

const prepared = Effect.map(temporaryDirectory, (directory) => {
  const path = join(directory, "bars.csv")
  writeBarFile(path, { asOfs, instruments })
  const up = ["up", "--source", "csv", "--path", path, "--speed", "max", "--json", ...quick]
  return (data: string, extra: ReadonlyArray<string> = []) => [
    ...up,
    "--data-directory",
    join(directory, data),
    ...extra
  ]
})

const decisionsOf = (lines: ReadonlyArray<Line>) => lines.filter(({ type }) => type === "decision")

/** What a repetition has in common with the run that it repeats. */
const resultOf = (lines: ReadonlyArray<Line>) => {
  const { type, wallTimeMs, ...result } = lines.at(-1) as Line
  expect(type).toBe("summary")
  expect(wallTimeMs).toSatisfy(Number.isFinite)
  return result
}

const isOver = ({ lines }: Running) => lines().at(-1)?.type === "summary"

/** Starts, lets it make so many decisions, and kills all of it, if it has not come to its end before. */
const killedAfter = (args: ReadonlyArray<string>, decisions: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const running: Running = yield* conclave(args)
      const isDue = () => decisionsOf(running.lines()).length >= decisions || isOver(running)
      yield* until(`${decisions} decisions`, isDue, { of: running })
      yield* running.killAll
      yield* until("the end of everything", () => running.family().length === 0)
      return { printed: decisionsOf(running.lines()), inTheMidst: !isOver(running) }
    })
  )

/** Kills it at each of these points of its own output, then lets it end. */
const interrupted = (
  begin: ReadonlyArray<string>,
  resume: ReadonlyArray<string>,
  points: ReadonlyArray<number>
) =>
  Effect.gen(function* () {
    const printed: Array<Line> = []
    for (const [life, decisions] of points.entries()) {
      const killed = yield* killedAfter(life === 0 ? begin : resume, decisions)
      if (life === 0) expect(killed.inTheMidst).toBe(true)
      printed.push(...killed.printed)
    }
    const last = yield* runConclave(resume)
    expect(last.stderr).not.toContain("failed")
    expect(last.code).toBe(0)
    const lines = linesOf(last)
    printed.push(...decisionsOf(lines))
    return { printed, result: resultOf(lines) }
  })

const someOf = (most: number) => 1 + Math.floor(Math.random() * most)

const check = (
  { printed, result }: Effect.Effect.Success<ReturnType<typeof interrupted>>,
  whole: ReadonlyArray<Line>
) => {
  expect(result).toEqual(resultOf(whole))
  const ids = printed.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  const before = new Map(decisionsOf(whole).map((decision) => [decision.id, decision]))
  for (const { epoch, ...decision } of printed) expect(before.get(decision.id)).toMatchObject(decision)
}

describe("a run that is killed and resumed", () => {
  it.scopedLive(
    "ends as the uninterrupted one, within the process and over NATS",
    () =>
      Effect.gen(function* () {
        const args = yield* prepared
        const whole = linesOf(yield* runConclave(args("whole")))
        expect((whole.at(-1) as Line).fills).toBeGreaterThan(0)
        const within = args("within")
        const points = [someOf(150), someOf(150), someOf(150)]
        check(yield* interrupted(within, [...within, "--resume"], points), whole)
        const own = args("own", ["--transport", "nats"])
        check(yield* interrupted(own, [...own, "--resume"], [someOf(400)]), whole)
        const { url } = yield* natsServer
        const remote = args("remote", ["--nats", url])
        check(yield* interrupted(remote, [...remote, "--resume"], [someOf(400)]), whole)
      }),
    180_000
  )
})
