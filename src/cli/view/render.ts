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

const cut = (text: string, chars: number): string =>
  text.length > chars ? `${text.slice(0, Math.max(chars - 1, 0))}…` : text

/** One thing that is known of an instrument. */
interface Column {
  readonly title: string
  readonly cell: (state: InstrumentState, decision: Decision | undefined) => string
}

const symbolChars = 16
const runChars = 32

const columnsOf = (model: ViewModel, voters: ReadonlyArray<string>) => {
  const positionOf = ({ instrument }: InstrumentState) =>
    model.account?.positions.find((position) => position.instrument === instrument)
  const name: Column = {
    title: "instrument",
    cell: ({ instrument }) => cut(symbolOf(instrument), symbolChars)
  }
  const opinions = voters.map(
    (voter): Column => ({
      title: `${short(voter)} s/h/b%`,
      cell: (_, decision) => opinionText(decision?.inputs.answers.find((answer) => answer.voter === voter))
    })
  )
  const weights: Column = {
    title: `weights ${[...voters, "baseline"].map(short).join("/")}`,
    cell: (state) => state.weights.map(({ weight }) => String(Math.round(weight * 100))).join("/")
  }
  const last: Column = { title: "price", cell: (state) => price(state.price) }
  const taken: Column = {
    title: "decision s/h/b%",
    cell: (_, decision) =>
      decision === undefined ? "-" : `${decision.action} ${probabilities(decision.calibrated)}`
  }
  const exposure: Column = {
    title: "exposure",
    cell: (state) => signedPercent(positionOf(state)?.exposure ?? 0, 1)
  }
  const profit: Column = { title: "profit", cell: (state) => money(positionOf(state)?.profit ?? 0) }
  const because: Column = {
    title: "because",
    cell: (_, decision) => (decision === undefined ? "" : reasonText(decision))
  }
  return {
    /** Everything side by side, where there is room. */
    whole: [[name, last, ...opinions, weights, taken, exposure, profit, because]],
    /** What it came to, and under it who said what. */
    stacked: [
      [name, last, taken, exposure, profit, because],
      [name, ...opinions, weights]
    ]
  }
}

const votersOf = (model: ViewModel): ReadonlyArray<string> =>
  (model.standing?.instruments[0]?.weights ?? [])
    .map(({ member }) => member)
    .filter((member) => member !== "baseline")

const widthOf = (lines: ReadonlyArray<string>): number => Math.max(0, ...lines.map(({ length }) => length))

/** The instruments that fit into so many rows, and how many more there are. */
const instrumentLines = (model: ViewModel, { columns, rows }: Size): ReadonlyArray<string> => {
  const states = model.standing?.instruments ?? []
  if (states.length === 0) return ["no instruments yet"]
  const draw = (tables: ReadonlyArray<ReadonlyArray<Column>>) => {
    const fits = (count: number) => tables.length * (count + 1) + (count < states.length ? 1 : 0) <= rows
    let count = states.length
    while (count > 1 && !fits(count)) count--
    const lines = tables.flatMap((table_) =>
      table([
        table_.map(({ title }) => title),
        ...states
          .slice(0, count)
          .map((state) => table_.map(({ cell }) => cell(state, model.decisions.get(state.instrument))))
      ]).split("\n")
    )
    return count < states.length ? [...lines, `… and ${states.length - count} more`] : lines
  }
  const { stacked, whole } = columnsOf(model, votersOf(model))
  const lines = draw(whole)
  return widthOf(lines) <= columns ? lines : draw(stacked)
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

/** What is to be said one after the other, in a row as long as there is room. */
type Items = ReadonlyArray<string>

const accountItems = (model: ViewModel): Items => {
  const { account, feed } = model
  if (account === undefined) return ["account: -"]
  const gain = signedPercent(account.equity / account.startingCash - 1)
  const held = feed?.buyAndHoldEquity ?? null
  const versus = held === null ? "" : `, buy and hold ${signedPercent(held / account.startingCash - 1)}`
  const { stop } = account
  return [
    `account: equity ${money(account.equity)} (${gain}${versus})`,
    ...(stop === null ? [] : [`STOPPED (${stop.flat ? "flat" : "not flat"}): ${stop.reason}`]),
    `fills ${account.fills}`,
    `fees ${money(account.fees)}`,
    `open orders ${account.openOrders}`
  ]
}

const skillItems = (model: ViewModel): Items => {
  const scored = (model.standing?.instruments ?? []).filter(({ outcomes }) => outcomes > 0)
  if (scored.length === 0) return ["skill: no outcomes yet"]
  const outcomes = scored.reduce((sum, state) => sum + state.outcomes, 0)
  const mean = (pick: (state: InstrumentState) => number | null) =>
    scored.reduce((sum, state) => sum + (pick(state) ?? 0) * state.outcomes, 0) / outcomes
  const own = mean(({ logLoss }) => logLoss)
  const base = mean(({ baseLogLoss }) => baseLogLoss)
  const convinced = scored.filter(({ evidence }) => evidence >= Math.log(100)).length
  return [
    `skill: log loss ${own.toFixed(4)} against ${base.toFixed(4)} of the base rate over ${outcomes} outcomes`,
    `evidence beyond 100:1 on ${convinced} of ${scored.length}`
  ]
}

const roundItems = ({ standing }: ViewModel): Items => [
  `rounds ${standing?.rounds ?? 0}`,
  `decisions ${standing?.decisions ?? 0}`,
  `degraded ${standing?.degraded ?? 0}`,
  `abstentions ${standing?.abstentions ?? 0}`
]

const componentText = ({ name, restarts, state }: ComponentStatus): string =>
  `${name} ${state}${restarts === 0 ? "" : ` (${restarts} restarts)`}`

/** Items in rows of so many characters, those after the first indented. */
const wrap = (items: Items, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const item of items) {
    const longer = line === "" ? item : `${line}, ${item}`
    // The comma that ends a line takes room as well.
    if (line !== "" && longer.length + 1 > columns) {
      lines.push(`${line},`)
      line = `  ${item}`
    } else line = longer
  }
  return [...lines, line]
}

const agentLines = (model: ViewModel, columns: number): ReadonlyArray<string> =>
  model.nodes.flatMap((node) => {
    const head = `node ${cut(node.node, runChars)} (process ${node.pid}, ${Math.round(node.residentBytes / 2 ** 20)} MiB): `
    const [first = "", ...others] = node.tree.children.map(componentText)
    return wrap([head + first, ...others], columns)
  })

const help = [
  "Ctrl-C ends it; `conclave status`",
  "`decide SYMBOL`",
  "`decisions --follow`",
  "`stop --emergency` work from another terminal"
]

/** Of the rows, the least that is left to the instruments. */
const instrumentRowsMin = 5

export const render = (model: ViewModel, size: Size): ReadonlyArray<string> => {
  const { columns, rows } = size
  const head = [`conclave  run ${cut(model.run, runChars)}  ${model.transport}`, phaseLine(model)]
  const figures = [accountItems, skillItems, roundItems].flatMap((items) => wrap(items(model), columns))
  const spare = rows - head.length - figures.length
  const every = agentLines(model, columns)
  const agents = every.slice(0, Math.max(spare - instrumentRowsMin, 1))
  if (agents.length < every.length) agents[agents.length - 1] = "… and more agents than there is room for"
  const instruments = instrumentLines(model, { columns, rows: spare - agents.length })
  const sections = [head, instruments, figures, agents]
  // Room that is left separates the sections, and says what else there is.
  let left = rows - sections.reduce((sum, { length }) => sum + length, 0)
  const lines: Array<string> = []
  sections.forEach((section, i) => {
    if (i > 0 && left-- > 0) lines.push("")
    lines.push(...section)
  })
  const hints = wrap(help, columns)
  if (left > hints.length) lines.push("", ...hints)
  return lines.slice(0, rows).map((line) => cut(line, columns))
}
