/** Commands against what is running: each asks an agent and shows the answer, for people or as JSON. */
import { randomBytes } from "node:crypto"
import { Effect, Option, Stream } from "effect"
import { callAgent } from "../agents/NodeContext.ts"
import type { Decision } from "../protocols/Decision.ts"
import { symbolOf } from "../protocols/Instrument.ts"
import { deadLettersCounter } from "../protocols/NodeStatus.ts"
import { BrokerControlRpcs, BrokerRpcs } from "../protocols/rpc/BrokerRpcs.ts"
import { MarketDataRpcs } from "../protocols/rpc/MarketDataRpcs.ts"
import { NodeRpcs } from "../protocols/rpc/NodeRpcs.ts"
import { OrchestratorRpcs } from "../protocols/rpc/OrchestratorRpcs.ts"
import type { ComponentStatus } from "../protocols/wire/ComponentStatus.ts"
import { truncateReason } from "../protocols/wire/Ids.ts"
import { decisionLine } from "./decisionLines.ts"
import { UsageError } from "./errors.ts"
import { feedSourceLines } from "./feedSourceLines.ts"
import { bytes, instant, money, price, probabilities, signedPercent } from "./format.ts"
import { table, write, writeJson, writeLine } from "./output.ts"

interface Output {
  readonly json: boolean
}

const orNull = <A, E>(effect: Effect.Effect<A, E>) => Effect.map(Effect.option(effect), Option.getOrNull)

export const status = ({ json }: Output) =>
  Effect.gen(function* () {
    const nodes = yield* (yield* callAgent(NodeRpcs, "node")).Nodes({})
    const feed = yield* orNull((yield* callAgent(MarketDataRpcs, "market-data")).Feed({}))
    const standing = yield* orNull((yield* callAgent(OrchestratorRpcs, "orchestrator")).Standing({}))
    const account = yield* orNull((yield* callAgent(BrokerRpcs, "broker")).Account({ barsSequence: 0 }))
    if (json) return yield* writeJson({ type: "status", nodes, feed, standing, account })
    const lines: Array<string> = []
    for (const { silentMs, status: node } of nodes) {
      const seen = silentMs === 0 ? "" : `, heard ${silentMs} ms ago`
      lines.push(`node ${node.node}: run ${node.run}, ${node.transport} (${node.transportDetail})${seen}`)
      const { capabilities } = node
      if (capabilities !== null) {
        const gpus = capabilities.gpus.length === 0 ? "no GPU" : capabilities.gpus.join(", ")
        lines.push(
          `  ${capabilities.cpuCores} x ${capabilities.cpuModel}, ${bytes(capabilities.memoryBytes)}, ${gpus}, Node ${capabilities.node}`
        )
      }
      lines.push(`  ${node.tree.children.map(({ name, state }) => `${name} ${state}`).join(", ")}`)
      const dead = node.counters.find(({ name }) => name === deadLettersCounter)?.value ?? 0
      if (dead > 0) lines.push(`  ${dead} messages that nobody could act on; the log says why`)
    }
    if (feed === null) lines.push("feed: no market-data agent answers")
    else {
      const of = feed.total === null ? "" : ` of ${feed.total}`
      lines.push(`feed: ${feed.source}, ${feed.phase}, as-of ${feed.published}${of}, ${feed.barsRead} bars`)
      lines.push(...feedSourceLines(feed))
    }
    if (standing === null) lines.push("committee: no orchestrator answers")
    else {
      lines.push(
        `committee: ${standing.rounds} rounds, ${standing.decisions} decisions, ${standing.degraded} degraded`
      )
      const rows = standing.instruments.map((state) => [
        `  ${symbolOf(state.instrument)}`,
        price(state.price),
        state.weights.map(({ member, weight }) => `${member} ${Math.round(weight * 100)}%`).join(", "),
        `log loss ${state.logLoss?.toFixed(4) ?? "-"} (base ${state.baseLogLoss?.toFixed(4) ?? "-"})`,
        `evidence ${state.evidence.toFixed(2)}`
      ])
      if (rows.length > 0) lines.push(table(rows))
    }
    if (account === null) lines.push("account: no broker answers")
    else {
      const gain = signedPercent(account.equity / account.startingCash - 1)
      const stop =
        account.stop === null
          ? ""
          : `, STOPPED (${account.stop.reason}; ${account.stop.flat ? "flat" : "not flat"})`
      lines.push(
        `account: equity ${money(account.equity)} (${gain}), ${account.fills} fills, fees ${money(account.fees)}${stop}`
      )
    }
    yield* writeLine(lines.join("\n"))
  })

const treeLines = (component: ComponentStatus, depth: number): ReadonlyArray<ReadonlyArray<string>> => [
  [
    `${"  ".repeat(depth)}${component.name}`,
    component.state,
    `${component.restarts} restarts`,
    component.mailbox === null
      ? ""
      : `mailbox ${component.mailbox.waiting}/${component.mailbox.capacity}, ${component.mailbox.refused} refused`,
    component.detail ?? component.lastFailure ?? ""
  ],
  ...component.children.flatMap((child) => treeLines(child, depth + 1))
]

export const agents = ({ json }: Output) =>
  Effect.gen(function* () {
    const nodes = yield* (yield* callAgent(NodeRpcs, "node")).Nodes({})
    if (json)
      return yield* writeJson({
        type: "agents",
        nodes: nodes.map(({ status: { node, tree } }) => ({ node, tree }))
      })
    for (const { status: node } of nodes) {
      yield* writeLine(`node ${node.node} (process ${node.pid})`)
      yield* writeLine(table(treeLines(node.tree, 1)))
    }
  })

const decisionText = (decision: Decision): string => {
  const { inputs, key } = decision
  const answers = inputs.answers.map((answer) =>
    answer._tag === "Opinion"
      ? `  ${answer.voter}: ${probabilities(answer.probabilities)} sell/hold/buy %, expected ${(answer.expectedReturn * 1e4).toFixed(1)} bp${answer.standIn === "none" ? "" : ` (${answer.standIn} stands in)`}`
      : `  ${answer.voter}: abstains, ${answer.reason}`
  )
  const guards = decision.verdicts.map(
    ({ guard, passed, reason }) => `${passed ? "ok" : "NO"} ${guard}: ${reason}`
  )
  return [
    `${decision.id}  ${key.instrument}  ${instant(key.asOf)}  ${decision.action.toUpperCase()} (${decision.strategy})`,
    `  target exposure ${signedPercent(decision.targetExposure, 1)}, confidence ${(decision.confidence * 100).toFixed(1)}%, expected ${(decision.expectedReturn * 1e4).toFixed(1)} bp over ${inputs.question.horizonBars} bars`,
    ...answers,
    `  weights ${inputs.weights.map(({ member, weight }) => `${member} ${Math.round(weight * 100)}%`).join(", ")}`,
    ...guards.map((line) => `  ${line}`),
    ...(decision.degraded === null ? [] : [`  degraded: ${decision.degraded}`])
  ].join("\n")
}

const parseInstant = (text: string): Effect.Effect<number, UsageError> => {
  const instant = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return instant >= 0 && instant <= Date.UTC(9999, 11, 31)
    ? Effect.succeed(instant)
    : new UsageError({ reason: `The as-of "${text}" is no instant: give ISO 8601, or epoch milliseconds.` })
}

/** What an agent would refuse to decode is refused here, in the words of the command line. */
const between = (name: string, value: number, least: number, most: number) =>
  value >= least && value <= most
    ? Effect.succeed(value)
    : new UsageError({ reason: `${name} ${value} is not between ${least} and ${most}.` })

const horizonBarsMax = 10_000
const latestMax = 10_000
/** No instrument has a longer name. */
const symbolCharsMax = 128

export const decide = (
  symbol: string,
  options: Output & {
    readonly asOf: Option.Option<string>
    readonly horizon: Option.Option<number>
    readonly band: Option.Option<number>
  }
) =>
  Effect.gen(function* () {
    const isWhatIf = Option.isSome(options.horizon) || Option.isSome(options.band)
    if (Option.isSome(options.horizon)) yield* between("--horizon", options.horizon.value, 1, horizonBarsMax)
    if (Option.isSome(options.band)) yield* between("--band", options.band.value, Number.MIN_VALUE, 100)
    const asOf = Option.isSome(options.asOf) ? { asOf: yield* parseInstant(options.asOf.value) } : {}
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const decision = yield* orchestrator.Decide({
      instrument: symbol.slice(0, symbolCharsMax),
      ...asOf,
      ...(isWhatIf
        ? {
            whatIf: {
              ...(Option.isSome(options.horizon) ? { horizonBars: options.horizon.value } : {}),
              ...(Option.isSome(options.band) ? { band: options.band.value } : {})
            }
          }
        : {})
    })
    if (options.json) return yield* write(decisionLine(decision))
    yield* writeLine(decisionText(decision))
    if (isWhatIf) yield* writeLine("  (a what-if: not recorded, and nothing is ordered)")
  })

export const decisions = (
  options: Output & {
    readonly follow: boolean
    readonly latest: number
    readonly symbol: Option.Option<string>
  }
) =>
  Effect.gen(function* () {
    const latest = yield* between("--latest", options.latest, 0, latestMax)
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const stream = orchestrator.Decisions({
      latest,
      follow: options.follow,
      ...(Option.isSome(options.symbol) ? { instrument: options.symbol.value.slice(0, symbolCharsMax) } : {})
    })
    yield* Stream.runForEach(stream, (decision) => {
      if (options.json) return write(decisionLine(decision))
      const { action, calibrated, id, key, strategy, targetExposure } = decision
      return writeLine(
        `${instant(key.asOf)}  ${symbolOf(key.instrument).padEnd(10)} ${action.padEnd(4)} ${strategy.padEnd(11)} ${probabilities(calibrated)}  target ${signedPercent(targetExposure, 1)}  ${id}`
      )
    })
  })

export const stop = (options: Output & { readonly release: boolean; readonly reason: string }) =>
  Effect.gen(function* () {
    const broker = yield* callAgent(BrokerControlRpcs, "broker", "control")
    // Repeated under the same id, a command takes effect once.
    const command = randomBytes(16).toString("hex")
    const reason = truncateReason(options.reason)
    if (options.release) {
      const { wasLatched } = yield* broker.ReleaseStop({ command, reason })
      if (options.json) return yield* writeJson({ type: "release", wasLatched })
      return yield* writeLine(wasLatched ? "trading is on again" : "trading was not stopped")
    }
    const report = yield* broker.EmergencyStop({ command, reason })
    if (options.json) return yield* writeJson({ type: "stop", ...report })
    yield* writeLine(
      `${report.state}: ${report.cancelled} orders cancelled, ${report.positions} positions left`
    )
  })

export const replay = (id: string, options: Output & { readonly deep: boolean }) =>
  Effect.gen(function* () {
    if (!/^[0-9a-f]{8,32}$/.test(id)) {
      return yield* new UsageError({
        reason: `"${id.slice(0, 100)}" is no decision id: give its 32 hexadecimal digits, or at least the first eight.`
      })
    }
    const orchestrator = yield* callAgent(OrchestratorRpcs, "orchestrator")
    const replayed = yield* orchestrator.Replay({ decision: id, deep: options.deep })
    if (options.json) return yield* writeJson({ type: "replay", ...replayed })
    yield* writeLine(decisionText(replayed.decision))
    yield* writeLine(
      replayed.differences.length === 0
        ? "replayed: the record follows from its inputs, to the last digit"
        : `replayed: DIFFERENT in ${replayed.differences.join(", ")}`
    )
    for (const { now, probabilityDifferenceMax, recorded } of replayed.deep ?? []) {
      const said =
        now._tag === "Abstention"
          ? `abstains now: ${now.reason}`
          : probabilityDifferenceMax === null
            ? "has no model to ask again"
            : `answers the same within ${probabilityDifferenceMax.toExponential(1)}`
      yield* writeLine(`  ${recorded.voter} ${said}`)
    }
  })
