/**
 * A nats-server of the node's own: started on loopback with generated credentials and JetStream in the run's
 * directory, restarted when it dies, ended with the node.
 *
 * It would outlive a node that is killed. It is therefore the child of a shell that waits for the end of a pipe
 * whose other end the node holds: however the node dies, the pipe closes and the shell ends the server.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { Effect, Redacted, Schema, type Scope } from "effect"
import { NatsServerFailed } from "./errors.ts"

export interface ManagedNats {
  /** With the node's own credentials. */
  readonly url: Redacted.Redacted<string>
  /** With credentials that may read topics and decisions and nothing else. */
  readonly observerUrl: string
  /** With credentials that may do the same and call agents, but for what needs the operator. */
  readonly clientUrl: string
  readonly port: number
  /** Fails when the server has died. */
  readonly died: Effect.Effect<never, NatsServerFailed>
}

/** The roles beside the node's own. Each has inboxes of its own: what it may listen on cannot be another's reply. */
const roles = ["observer", "client"] as const
type Role = (typeof roles)[number]

export const inboxPrefixOf = (role: Role): string => `_INBOX_${role}`

/** Ends the server when standard input does, and itself when the server does. */
const guard = `"$@" & server=$!
{ cat; kill "$server"; } >/dev/null 2>&1 <&3 & reader=$!
wait "$server"; status=$?
kill "$reader" 2>/dev/null
exit "$status"`

const startTimeoutMs = 10_000
const pollEveryMs = 10
const stopTimeoutMs = 5_000
const outputCharsMax = 4_096

/** The program on the PATH, if it is there. */
export const findNatsServer = (path: string = process.env.PATH ?? ""): string | undefined =>
  path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "nats-server"))
    .find((file) => existsSync(file))

const Secrets = Schema.parseJson(
  Schema.Struct({ node: Schema.String, observer: Schema.String, client: Schema.String })
)

const readSecrets = (directory: string): typeof Secrets.Type => {
  const path = join(directory, "credentials.json")
  if (existsSync(path)) return Schema.decodeSync(Secrets)(readFileSync(path, "utf8"))
  const password = () => randomBytes(24).toString("base64url")
  const secrets = { node: password(), observer: password(), client: password() }
  writeFileSync(path, Schema.encodeSync(Secrets)(secrets), { mode: 0o600 })
  return secrets
}

/** What both may ask of JetStream: to read by the consumers that are offered, and to make none. */
const mayPublish = (role: Role, consumers: ReadonlyArray<string>) => [
  ...(role === "client" ? ["conclave.v1.*.rpc.>"] : []),
  "$JS.API.INFO",
  "$JS.API.STREAM.NAMES",
  "$JS.API.STREAM.LIST",
  "$JS.API.STREAM.INFO.*",
  ...consumers.flatMap((consumer) => [
    `$JS.API.CONSUMER.INFO.*.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.*.${consumer}`,
    `$JS.ACK.*.${consumer}.>`
  ])
]

const configuration = (
  directory: string,
  port: number,
  secrets: typeof Secrets.Type,
  consumers: ReadonlyArray<string>
): string =>
  JSON.stringify({
    host: "127.0.0.1",
    port,
    ports_file_dir: join(directory, "ports"),
    max_payload: 1024 * 1024,
    jetstream: { store_dir: join(directory, "jetstream") },
    authorization: {
      users: [
        { user: "node", password: secrets.node },
        ...roles.map((role) => ({
          user: role,
          password: secrets[role],
          permissions: {
            publish: { allow: mayPublish(role, consumers) },
            subscribe: { allow: ["conclave.v1.*.topic.>", `${inboxPrefixOf(role)}.>`] }
          }
        }))
      ]
    }
  })

/** The server writes its port to a file named after its process; the folder is emptied before it starts. */
const reportedPort = (directory: string): number | undefined => {
  const folder = join(directory, "ports")
  const name = readdirSync(folder).find((file) => file.endsWith(".ports"))
  const content = name === undefined ? "" : readFileSync(join(folder, name), "utf8").trim()
  if (!content.endsWith("}")) return undefined
  return Number(new URL((JSON.parse(content) as { nats: ReadonlyArray<string> }).nats[0] as string).port)
}

const exited = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    const listener = () => resume(Effect.succeed(child.exitCode))
    child.once("exit", listener)
    return Effect.sync(() => child.off("exit", listener))
  })

/**
 * Starts the server in a directory, on the port it had there before if any, and ends it with the scope. Started
 * again on the same directory it has the same streams and credentials.
 */
export const start = (options: {
  readonly program: string
  readonly directory: string
  /** Durable consumers that an observer may read by. */
  readonly consumers: ReadonlyArray<string>
}): Effect.Effect<ManagedNats, NatsServerFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { directory, program } = options
    const failed = (reason: string) => new NatsServerFailed({ reason })
    const portFile = join(directory, "port")
    const secrets = yield* Effect.try({
      try: () => {
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        rmSync(join(directory, "ports"), { recursive: true, force: true })
        mkdirSync(join(directory, "ports"))
        const secrets = readSecrets(directory)
        const port = existsSync(portFile) ? Number(readFileSync(portFile, "utf8")) : -1
        const path = join(directory, "nats.conf")
        writeFileSync(path, configuration(directory, port, secrets, options.consumers), { mode: 0o600 })
        return secrets
      },
      catch: (cause) => failed(String(cause))
    })
    let output = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        // The pipe is descriptor 3: the server must not hold it, or its end would never come.
        const args = [
          "-c",
          guard,
          "guard",
          "sh",
          "-c",
          'exec "$@" 3<&-',
          "sh",
          program,
          "-c",
          join(directory, "nats.conf")
        ]
        const child = spawn("sh", args, { stdio: ["ignore", "pipe", "pipe", "pipe"], detached: true })
        const keep = (chunk: Buffer) => {
          output = (output + chunk.toString("utf8")).slice(-outputCharsMax)
        }
        child.stdout?.on("data", keep)
        child.stderr?.on("data", keep)
        child.on("error", (cause) => {
          output += cause.message
        })
        return child
      }),
      (child) =>
        Effect.suspend(() => {
          child.stdio[3]?.destroy()
          return exited(child)
        }).pipe(Effect.interruptible, Effect.timeout(stopTimeoutMs), Effect.ignore)
    )
    const lastLine = () =>
      output
        .trim()
        .split("\n")
        .at(-1)
        ?.replace(/^\[\d+\] \S+ \S+ /, "") ?? "no output"
    const port = yield* Effect.gen(function* () {
      for (;;) {
        if (child.exitCode !== null) return yield* failed(lastLine())
        const port = reportedPort(directory)
        if (port !== undefined) return port
        yield* Effect.sleep(pollEveryMs)
      }
    }).pipe(
      Effect.timeoutFail({
        duration: startTimeoutMs,
        onTimeout: () => failed(`no port after ${startTimeoutMs} ms`)
      })
    )
    writeFileSync(portFile, String(port))
    const urlOf = (user: string, password: string) => `nats://${user}:${password}@127.0.0.1:${port}`
    const roleUrl = (role: Role) => {
      const url = urlOf(role, secrets[role])
      writeFileSync(join(directory, `${role}.url`), `${url}\n`, { mode: 0o600 })
      return url
    }
    return {
      url: Redacted.make(urlOf("node", secrets.node)),
      observerUrl: roleUrl("observer"),
      clientUrl: roleUrl("client"),
      port,
      died: Effect.flatMap(exited(child), (code) =>
        failed(`it ended with ${code ?? "a signal"}: ${lastLine()}`)
      )
    }
  })
