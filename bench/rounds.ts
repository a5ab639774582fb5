/**
 * Decision rounds over NATS, open loop: bars close on a schedule whether or not the last round is done, the journal is
 * JetStream's, every commit is a full one, and an external subscriber notes when each round's last decision arrives.
 * Latency counts from when the bars were scheduled, so that a feed that falls behind cannot hide it.
 */
import { Effect } from "effect"
import { connect, type NatsConnection } from "nats"
import { natsServer } from "../test/support/natsServer.ts"
import { startConclave } from "./support/conclave.ts"
import { type Bench, line, print, quantile, spread } from "./support/report.ts"

const instruments = 4
const paceMs = 10
const minuteMs = 60_000

const wallMs = () => performance.timeOrigin + performance.now()

interface Round {
  readonly asOf: number
  /** When its bars were published. */
  knownAt: number
  decisions: number
  /** When the last of its decisions arrived. */
  arrivedAt: number
}

interface Envelope {
  readonly type: string
  readonly knownAt: number
  readonly payload: {
    readonly asOf: number
    readonly warmUp: boolean
    readonly key: { readonly asOf: number }
  }
}

/** Rounds as the subscriber sees them, until there are enough that were paced. */
const collect = async (connection: NatsConnection, wanted: number, failed: Promise<never>) => {
  const rounds = new Map<number, Round>()
  const roundOf = (asOf: number) => {
    const round = rounds.get(asOf) ?? { asOf, knownAt: Number.NaN, decisions: 0, arrivedAt: Number.NaN }
    rounds.set(asOf, round)
    return round
  }
  const complete = new Promise<void>((resolve) => {
    connection.subscribe("conclave.v1.*.journal.bars", {
      callback: (_error, message) => {
        // A fence has no body.
        if (message.data.length === 0) return
        const { knownAt, payload, type } = message.json<Envelope>()
        if (type === "BarsClosed" && !payload.warmUp) roundOf(payload.asOf).knownAt = knownAt
      }
    })
    connection.subscribe("conclave.v1.*.topic.decisions.>", {
      callback: (_error, message) => {
        const arrivedAt = wallMs()
        const round = roundOf(message.json<Envelope>().payload.key.asOf)
        round.decisions++
        round.arrivedAt = arrivedAt
        if (round.decisions === instruments && [...rounds.values()].filter(isWhole).length >= wanted)
          resolve()
      }
    })
  })
  await Promise.race([complete, failed])
  return [...rounds.values()].filter(isWhole).sort((a, b) => a.asOf - b.asOf)
}

const isWhole = (round: Round) => round.decisions === instruments && !Number.isNaN(round.knownAt)

/** Publishing to the same subscriber, at the same rate. */
const publishAlone = async (url: string, connection: NatsConnection, count: number) => {
  const publisher = await connect({ servers: url })
  const taken: Array<number> = []
  const done = new Promise<void>((resolve) => {
    connection.subscribe("bench.alone", {
      max: count,
      callback: (_error, message) => {
        taken.push(wallMs() - Number(message.string()))
        if (taken.length === count) resolve()
      }
    })
  })
  await connection.flush()
  const timer = setInterval(() => publisher.publish("bench.alone", String(wallMs())), paceMs)
  await done
  clearInterval(timer)
  await publisher.close()
  return taken
}

export const rounds: Bench = {
  name: "rounds",
  run: ({ root, smoke }) =>
    Effect.gen(function* () {
      const seconds = smoke ? 2 : 60
      const wanted = (seconds * 1_000) / paceMs
      const server = yield* natsServer
      const connection = yield* Effect.promise(() => connect({ servers: server.url }))
      const running = startConclave(root, [
        ...["--nats", server.url, "--speed", `${minuteMs / paceMs}x`, "--time-frame", "1m"],
        ...["--instruments", `${instruments}`, "--store.durability", "full"],
        ...(smoke ? ["--market-data.history", "260"] : [])
      ])
      yield* Effect.addFinalizer(() => Effect.promise(running.stop))
      const late = new Promise<never>((_resolve, reject) => {
        setTimeout(() => reject(new Error("the rounds do not keep up")), 120_000 + seconds * 4_000).unref()
      })
      const failed = Promise.race([running.failed, late])
      failed.catch(() => undefined)
      const seen = yield* Effect.promise(() => collect(connection, wanted, failed))
      const alone = yield* Effect.promise(() => publishAlone(server.url, connection, smoke ? 100 : 1_000))
      yield* Effect.promise(() => connection.close())

      const first = seen[0]?.asOf ?? 0
      const index = (round: Round) => (round.asOf - first) / minuteMs
      const base = Math.min(...seen.map((round) => round.knownAt - index(round) * paceMs))
      const latencies = seen.map((round) => round.arrivedAt - (base + index(round) * paceMs))
      const tenth = Math.ceil(latencies.length / 6)
      const windows = Array.from({ length: 6 }, (_, i) => latencies.slice(i * tenth, (i + 1) * tenth)).filter(
        (window) => window.length > 0
      )
      const last = seen.at(-1)
      const took = last === undefined ? Number.NaN : last.knownAt - (seen[0]?.knownAt ?? 0)
      print(
        `rounds: ${seen.length} rounds of ${instruments} instruments over NATS, scheduled every ${paceMs} ms`
      )
      line("rate kept", `${(((seen.length - 1) / took) * 1_000).toFixed(1)} rounds/s`)
      line(
        "scheduled bar to subscriber, p50 by window",
        spread(
          windows.map((w) => quantile(w, 0.5)),
          "ms"
        )
      )
      line(
        "scheduled bar to subscriber, p99 by window",
        spread(
          windows.map((w) => quantile(w, 0.99)),
          "ms"
        )
      )
      line("p99 of all", `${quantile(latencies, 0.99).toFixed(1)} ms`, "aim under 50 ms")
      line(
        "publish to subscriber alone",
        `p50 ${quantile(alone, 0.5).toFixed(2)} ms, p99 ${quantile(alone, 0.99).toFixed(2)} ms`
      )
    }).pipe(Effect.scoped, Effect.runPromise)
}
