/** The live view as lines of text: a pure function of what is known and how much room there is. */
import type { Decision } from "../../protocols/Decision.ts"
import { symbolOf } from "../../protocols/Instrument.ts"
import type { Answer } from "../../protocols/Opinion.ts"
import type { InstrumentState } from "../../protocols/rpc/OrchestratorRpcs.ts"
import type { ComponentStatus } from "../../protocols/wire/ComponentStatus.ts"
import { instant, money, price, probabilities, progressBar, signedPercent } from "../format.ts"
import { table } from "../output.ts"
import type { ViewModel } from "./Model.ts"

export interface Size {
  readonly columns: number
  readonly rows: number
}

const shortNames: Readonly<Record<string, string>> = {
  "deep-learning": "DL",
  "reinforcement-learning": "RL",
  baseline: "base"
}
const short = (name: string): string => shortNames[name] ?? name

const opinionText = (answer: Answer | undefined): string => {
  if (answer === undefined) return "-"
  if (answer._tag === "Abstention") return "abstains"
  const standIn = answer.standIn === "none" ? "" : answer.standIn === "previous" ? " (prev)" : " (base)"
  return `${probabilities(answer.probabilities)} ${(answer.expectedReturn * 1e4).toFixed(0)}bp${standIn}`
}

/** Why nothing is done, in a word: the first guard that is not content. */
const reasonText = (decision: Decision): string => {
  if (decision.strategy === "directional") return "directional"
  const failed = decision.verdicts.find(({ passed }) => !passed)
  return failed === undefined ? decision.strategy : `${decision.strategy} (${failed.guard})`
}

const instrumentRow = (
  state: InstrumentState,
  model: ViewModel,
  voters: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const decision = model.decisions.get(state.instrument)
  const position = model.account?.positions.find(({ instrument }) => instrument === state.instrument)
  const answerOf = (voter: string) => decision?.inputs.answers.find((answer) => answer.voter === voter)
  return [
    symbolOf(state.instrument),
    price(state.price),
    ...voters.map((voter) => opinionText(answerOf(voter))),
    state.weights.map(({ weight }) => String(Math.round(weight * 100))).join("/"),
    decision === undefined ? "-" : `${decision.action} ${probabilities(decision.calibrated)}`,
    decision === undefined ? "" : reasonText(decision),
    signedPercent(position?.exposure ?? 0, 1),
    money(position?.profit ?? 0)
  ]
}

const votersOf = (model: ViewModel): ReadonlyArray<string> =>
  (model.standing?.instruments[0]?.weights ?? [])
    .map(({ member }) => member)
    .filter((member) => member !== "baseline")

const instrumentsTable = (model: ViewModel, rows: number): ReadonlyArray<string> => {
  const states = model.standing?.instruments ?? []
  if (states.length === 0) return ["no instruments yet"]
  const voters = votersOf(model)
  const header = [
    "instrument",
    "price",
    ...voters.map((voter) => `${short(voter)} s/h/b%`),
    `weights ${[...voters, "baseline"].map(short).join("/")}`,
    "decision s/h/b%",
    "because",
    "exposure",
    "profit"
  ]
  const shown = states.slice(0, Math.max(rows - 2, 1))
  const lines = table([header, ...shown.map((state) => instrumentRow(state, model, voters))]).split("\n")
  return states.length > shown.length ? [...lines, `… and ${states.length - shown.length} more`] : lines
}

const phaseLine = (model: ViewModel): string => {
  const { feed } = model
  if (feed === undefined) return "starting"
  const at = feed.asOf === null ? "" : `, ${instant(feed.asOf)}`
  const rate = `${model.rate.toFixed(model.rate < 10 ? 1 : 0)} as-ofs/s`
  if (feed.phase === "loading") return `loading ${feed.source}`
  if (feed.phase === "warm-up") {
    const share = feed.published / Math.max(feed.warmUpTotal, 1)
    return `warming up and fitting ${progressBar(share, 30)} ${feed.published}/${feed.warmUpTotal} bars, ${rate}${at}`
  }
  const total = feed.total === null ? "" : ` of ${feed.total}`
  return `${feed.phase}: bar ${feed.published}${total}, ${rate}${at}`
}

const accountLine = (model: ViewModel): string => {
  const { account, feed } = model
  if (account === undefined) return "account: -"
  const gain = signedPercent(account.equity / account.startingCash - 1)
  const held = feed?.buyAndHoldEquity ?? null
  const versus = held === null ? "" : `, buy and hold ${signedPercent(held / account.startingCash - 1)}`
  const stop =
    account.stop === null
      ? ""
      : `  STOPPED: ${account.stop.reason} (${account.stop.flat ? "flat" : "not flat"})`
  return `account: equity ${money(account.equity)} (${gain}${versus}), fills ${account.fills}, fees ${money(account.fees)}, open orders ${account.openOrders}${stop}`
}

const skillLine = (model: ViewModel): string => {
  const scored = (model.standing?.instruments ?? []).filter(({ outcomes }) => outcomes > 0)
  if (scored.length === 0) return "skill: no outcomes yet"
  const outcomes = scored.reduce((sum, state) => sum + state.outcomes, 0)
  const mean = (pick: (state: InstrumentState) => number | null) =>
    scored.reduce((sum, state) => sum + (pick(state) ?? 0) * state.outcomes, 0) / outcomes
  const own = mean(({ logLoss }) => logLoss)
  const base = mean(({ baseLogLoss }) => baseLogLoss)
  const convinced = scored.filter(({ evidence }) => evidence >= Math.log(100)).length
  return `skill: log loss ${own.toFixed(4)} against ${base.toFixed(4)} of the base rate over ${outcomes} outcomes; evidence beyond 100:1 on ${convinced} of ${scored.length}`
}

const componentText = ({ name, restarts, state }: ComponentStatus): string =>
  `${name} ${state}${restarts === 0 ? "" : ` (${restarts} restarts)`}`

const agentLines = (model: ViewModel): ReadonlyArray<string> =>
  model.nodes.flatMap((node) => [
    `node ${node.node} (process ${node.pid}, ${Math.round(node.residentBytes / 2 ** 20)} MiB):`,
    ...wrap(node.tree.children.map(componentText), 2)
  ])

const lineChars = 110

/** Items in a row as long as there is room. */
const wrap = (items: ReadonlyArray<string>, indent: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const item of items) {
    if (line !== "" && line.length + item.length + 2 > lineChars) {
      lines.push(line)
      line = ""
    }
    line = line === "" ? " ".repeat(indent) + item : `${line}, ${item}`
  }
  return line === "" ? lines : [...lines, line]
}

export const render = (model: ViewModel, size: Size): ReadonlyArray<string> => {
  const agents = agentLines(model)
  const head = [`conclave  run ${model.run}  ${model.transport}`, phaseLine(model), ""]
  const foot = [
    "",
    accountLine(model),
    skillLine(model),
    `rounds ${model.standing?.rounds ?? 0}, decisions ${model.standing?.decisions ?? 0}, degraded ${model.standing?.degraded ?? 0}, abstentions ${model.standing?.abstentions ?? 0}`,
    "",
    ...agents,
    "",
    "Ctrl-C ends it; `conclave status`, `decide SYMBOL`, `decisions --follow`, `stop --emergency` work from another terminal"
  ]
  const room = size.rows - head.length - foot.length
  const lines = [...head, ...instrumentsTable(model, Math.max(room, 4)), ...foot]
  return lines
    .slice(0, size.rows)
    .map((line) => (line.length > size.columns ? `${line.slice(0, size.columns - 1)}…` : line))
}
