import { execFileSync, spawn } from "node:child_process"
import { readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Schedule, Scope } from "effect"
import { connect } from "nats"
import * as NatsServer from "../../src/runtime/NatsServer.ts"
import { temporaryDirectory } from "../support/directory.ts"

const program = NatsServer.findNatsServer() ?? "nats-server"

const serverPid = (directory: string): number =>
  Number(/nats-server_(\d+)\.ports/.exec(readdirSync(join(directory, "ports")).join(" "))?.[1])

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const untilGone = (pid: number) =>
  Effect.suspend(() => (isAlive(pid) ? Effect.fail("alive") : Effect.void)).pipe(
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("5 seconds")
  )

const userAndPassword = (url: string) => {
  const { username, password, host } = new URL(url)
  return { servers: host, user: username, pass: password }
}

describe("the managed nats-server", () => {
  it.scopedLive("listens on loopback with generated credentials, and ends with its scope", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const nats = yield* Scope.extend(
        NatsServer.start({ program, directory, consumers: ["decisions"] }),
        scope
      )
      const pid = serverPid(directory)
      const nc = yield* Effect.promise(() => connect(userAndPassword(Redacted.value(nats.url))))
      expect(nc.info?.host).toBe("127.0.0.1")
      yield* Effect.promise(() => nc.close())
      const refused = yield* Effect.flip(
        Effect.tryPromise({ try: () => connect({ servers: `127.0.0.1:${nats.port}` }), catch: String })
      )
      expect(refused).toContain("Authorization")
      yield* Scope.close(scope, Exit.void)
      yield* untilGone(pid)
    })
  )

  it.scopedLive(
    "lets an observer read topics and by the consumers it is offered, make none, and write nothing",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const nats = yield* NatsServer.start({ program, directory, consumers: ["decisions"] })
        const nc = yield* Effect.promise(() =>
          connect({ ...userAndPassword(nats.observerUrl), inboxPrefix: NatsServer.inboxPrefixOf("observer") })
        )
        const denied: Array<string> = []
        void (async () => {
          for await (const status of nc.status()) denied.push(JSON.stringify(status))
        })()
        /** Everything the server has to say about what was sent so far. */
        const settled = Effect.promise(async () => {
          await nc.flush()
          await new Promise((resolve) => setImmediate(resolve))
          return denied.filter((text) => text.includes("PERMISSIONS_VIOLATION")).length
        })
        for (const subject of [
          "conclave.v1.r.topic.decisions.x",
          "conclave.v1.r.rpc.broker.any",
          "conclave.v1.r.control.broker.any",
          "conclave.v1.r.journal.decisions",
          "$JS.API.STREAM.DELETE.conclave_r",
          "$JS.API.STREAM.PURGE.conclave_r",
          "$SYS.REQ.SERVER.PING",
          "$JS.API.CONSUMER.CREATE.conclave_r",
          "$JS.API.CONSUMER.DURABLE.CREATE.conclave_r.mine",
          "$JS.API.CONSUMER.MSG.NEXT.conclave_r.theirs",
          "$JS.ACK.conclave_r.theirs.1.1.1.1.1",
          "_INBOX.someone.1"
        ]) {
          nc.publish(subject, "x")
        }
        expect(yield* settled).toBe(12)
        const spying = nc.subscribe("_INBOX.>")
        expect(yield* settled).toBe(13)
        spying.unsubscribe()
        nc.subscribe("conclave.v1.*.topic.>")
        expect(yield* settled).toBe(13)
        yield* Effect.promise(() => nc.close())
      })
  )

  it.scopedLive("lets a client call agents, but for what needs the operator", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const server = yield* NatsServer.start({ program, directory, consumers: ["decisions"] })
      const node = yield* Effect.promise(() => connect(userAndPassword(Redacted.value(server.url))))
      node.subscribe("conclave.v1.r.*.broker.any", { callback: (_, message) => message.respond("heard") })
      const client = yield* Effect.promise(() =>
        connect({ ...userAndPassword(server.clientUrl), inboxPrefix: NatsServer.inboxPrefixOf("client") })
      )
      const ask = (subject: string) =>
        Effect.tryPromise({
          try: async () => (await client.request(subject, "x", { timeout: 1_000 })).string(),
          catch: String
        })
      expect(yield* ask("conclave.v1.r.rpc.broker.any")).toBe("heard")
      for (const subject of [
        "conclave.v1.r.control.broker.any",
        "conclave.v1.r.control.model-manager.any",
        "conclave.v1.r.journal.decisions",
        "conclave.v1.r.topic.decisions.x",
        "$JS.API.STREAM.DELETE.conclave_r",
        "$KV.conclave_runs.current"
      ]) {
        expect(yield* Effect.flip(ask(subject))).toContain("Permissions Violation")
      }
      yield* Effect.promise(() => client.close())
      yield* Effect.promise(() => node.close())
    })
  )

  it.scopedLive("says that it has died, and comes back on the same port with the same streams", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(
        NatsServer.start({ program, directory, consumers: ["decisions"] }),
        scope
      )
      const nc = yield* Effect.promise(() => connect(userAndPassword(Redacted.value(first.url))))
      const manager = yield* Effect.promise(() => nc.jetstreamManager())
      yield* Effect.promise(() => manager.streams.add({ name: "kept", subjects: ["kept"] }))
      yield* Effect.promise(() => nc.jetstream().publish("kept", "1"))
      yield* Effect.promise(() => nc.close())
      process.kill(serverPid(directory), "SIGKILL")
      expect((yield* Effect.flip(first.died))._tag).toBe("NatsServerFailed")
      yield* Scope.close(scope, Exit.void)
      const second = yield* NatsServer.start({ program, directory, consumers: ["decisions"] })
      expect(second.port).toBe(first.port)
      const again = yield* Effect.promise(() => connect(userAndPassword(Redacted.value(second.url))))
      const info = yield* Effect.promise(async () => (await again.jetstreamManager()).streams.info("kept"))
      expect(info.state.messages).toBe(1)
      yield* Effect.promise(() => again.close())
    })
  )

  it.scopedLive("does not outlive a process that is killed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const script = join(directory, "parent.mjs")
      const bundle = join(directory, "server.mjs")
      execFileSync("npx", [
        "esbuild",
        new URL("../../src/runtime/NatsServer.ts", import.meta.url).pathname,
        "--bundle",
        "--platform=node",
        "--format=esm",
        `--outfile=${bundle}`,
        "--log-level=error"
      ])
      writeFileSync(
        script,
        `import { start } from ${JSON.stringify(bundle)}
import { Effect } from ${JSON.stringify(new URL("../../node_modules/effect/dist/esm/index.js", import.meta.url).href)}
Effect.runFork(Effect.scoped(Effect.zipRight(Effect.tap(start(${JSON.stringify({ program, directory, consumers: [] })}), () => Effect.sync(() => console.log("ready"))), Effect.never)))
setInterval(() => undefined, 1000)
`
      )
      const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] })
      yield* Effect.async<void>((resume) => {
        parent.stdout.once("data", () => resume(Effect.void))
      })
      const pid = serverPid(directory)
      expect(isAlive(pid)).toBe(true)
      parent.kill("SIGKILL")
      yield* untilGone(pid)
    })
  )

  it.scopedLive("that cannot start says why", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const error = yield* Effect.flip(NatsServer.start({ program: "/bin/false", directory, consumers: [] }))
      expect(error._tag).toBe("NatsServerFailed")
    })
  )
})
