/** Style that a program can check. Each banned word names what stands in its place, each exception its reason. */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const linesMax = 400

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : []
  })

interface Banned {
  readonly what: RegExp
  readonly instead: string
  /** Files that may, and why. */
  readonly except: Readonly<Record<string, string>>
}

const banned: ReadonlyArray<Banned> = [
  { what: /\bDate\.now\(|\bnew Date\(\)/, instead: "the Clock service, or the event's time", except: {} },
  { what: /\bMath\.random\(/, instead: "KeyedRandom", except: {} },
  { what: /\brandomUUID\(/, instead: "the Ids service", except: {} },
  {
    what: /\bperformance\.now\(/,
    instead: "MonotonicClock",
    except: {
      "src/runtime/launcher.ts": "the launcher runs without Effect",
      "src/agents/model-host/main.ts": "the model host runs without Effect"
    }
  },
  {
    what: /\bset(Timeout|Interval|Immediate)\(/,
    instead: "Effect.sleep, a Schedule or a deadline",
    except: {
      "src/runtime/launcher.ts": "the launcher runs without Effect",
      "src/runtime/breathe.ts": "Effect has nothing that waits for the event loop to go round",
      "src/agents/model-host/main.ts": "the model host runs without Effect"
    }
  },
  {
    what: /\bforkDaemon\b/,
    instead: "forkScoped or a FiberSet: a fiber has an owner",
    except: {
      "src/runtime/Supervisor.ts":
        "a child outlives its supervisor's interruption until its stop finalizer ends it"
    }
  },
  { what: /\bconsole\./, instead: "the logger, or cli/output", except: {} },
  {
    what: /Schema\.Number\b(?!From)/,
    instead: "Schema.Finite or Schema.Int: Number lets NaN through",
    except: {}
  },
  { what: /\bas any\b|: any\b|<any>/, instead: "a type", except: {} },
  { what: /\b(TODO|FIXME|XXX|HACK)\b/, instead: "the work itself", except: {} }
]

const sources = filesBelow("src").map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "")

describe("the sources", () => {
  it("are found", () => {
    expect(sources.length).toBeGreaterThan(100)
  })

  for (const { what, instead, except } of banned) {
    it(`have no ${what.source}: use ${instead}`, () => {
      const offenders = sources.filter(({ text }) => what.test(withoutComments(text))).map(({ path }) => path)
      expect(offenders.sort()).toEqual(Object.keys(except).sort())
    })
  }

  it(`are files of at most ${linesMax} lines`, () => {
    const long = sources.filter(({ text }) => text.split("\n").length > linesMax).map(({ path }) => path)
    expect(long).toEqual([])
  })

  it("begin with a comment that says what they are for", () => {
    const bare = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)
    expect(bare).toEqual([])
  })

  it("stand in rooms that say what they are for", () => {
    const rooms = ["src", ...new Set(sources.map(({ path }) => path.split("/").slice(0, 2).join("/")))]
    const silent = rooms.filter((room) => !readdirSync(join(root, room)).includes("README.md"))
    expect(silent.map((room) => relative("src", room))).toEqual([])
  })
})
