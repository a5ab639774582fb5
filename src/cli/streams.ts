/** `conclave streams`: what the running streams agent has published last. */
import { Args, Command, Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { callAgent } from "../agents/NodeContext.ts"
import { symbolOf } from "../protocols/Instrument.ts"
import { StreamsRpcs } from "../protocols/rpc/StreamsRpcs.ts"
import { type OpinionRecord, type Publication, publishedAtOf, StreamName } from "../protocols/Streams.ts"
import type { ParsedArguments } from "./arguments.ts"
import { againstRunning } from "./connection.ts"
import { UsageError } from "./errors.ts"
import { duration, instant, percent, price, signedPercent } from "./format.ts"
import { table, writeJson, writeLine } from "./output.ts"

const agent = "streams"
/** Instruments that a line names. */
const namedMax = 4
const historyMax = 1_000

/** The first few of them, and how many more there are. */
const some = <A>(items: ReadonlyArray<A>, show: (item: A) => string): string => {
  const more = items.length > namedMax ? `, and ${items.length - namedMax} more` : ""
  return `${items.slice(0, namedMax).map(show).join(", ")}${more}`
}

const signed = (value: number, digits = 2): string => `${value < 0 ? "" : "+"}${value.toFixed(digits)}`

const recordText = (whose: string, record: OpinionRecord): string =>
  record.status === "unavailable"
    ? `${whose} -`
    : `${whose} ${record.score.toFixed(2)} (Brier ${signed(record.excessBrier, 3)} ± ${record.excessBrierError.toFixed(3)} beside the base rate, ${record.asOfs} as-ofs)`

/** Streams may be published several times a minute. */
const secondOf = (epochMs: number): string =>
  `${new Date(epochMs).toISOString().slice(0, 19).replace("T", " ")}Z`

/** A publication in one line. */
export const summaryOf = (publication: Publication): string => {
  if (publication.reading.status === "unavailable") return `unavailable: ${publication.reading.reason}`
  switch (publication.stream) {
    case "prices": {
      const { reading } = publication
      return some(reading.prices, ({ ageMs, instrument, price: close }) => {
        const age = ageMs === 0 ? "" : ` (${duration(ageMs / 1_000)} old)`
        return `${symbolOf(instrument)} ${price(close)}${age}`
      })
    }
    case "volatility": {
      const { reading } = publication
      return some(reading.instruments, ({ instrument, realised }) => {
        const longest = realised.at(-1)
        const volatility = longest?.yangZhang ?? longest?.closeToClose[0]?.volatility
        return `${symbolOf(instrument)} ${volatility === undefined ? "-" : percent(volatility)} a year`
      })
    }
    case "sentiment": {
      const { reading } = publication
      const { score, sentences, texts } = reading.market
      return `${signed(score)} of ${sentences} sentences in ${texts} texts`
    }
    case "inequality-momentum": {
      const { reading } = publication
      const { gini, moment, momentum, signal, trend } = reading
      return `signal ${signed(signal)} (${moment === "none" ? "no moment" : `${moment} moment`}): Gini ${gini.toFixed(3)}, trend ${signed(trend)}, momentum ${signed(momentum)}`
    }
    case "contrarian": {
      const { reading } = publication
      return reading.opportunities.length === 0
        ? `none among ${reading.examined} instruments`
        : some(
            reading.opportunities,
            ({ instrument, score, side }) => `${side} ${symbolOf(instrument)} ${score.toFixed(2)}`
          )
    }
    case "consensus-wrong": {
      const { reading } = publication
      return `${recordText("pool", reading.pooled)}, ${recordText("surveys", reading.surveyed)}`
    }
    case "real-wages": {
      const { reading } = publication
      const { observedAt, priceGrowth, realGrowth, wageGrowth } = reading
      return `${signedPercent(realGrowth)} over the year to ${instant(observedAt).slice(0, 10)} (wages ${signedPercent(wageGrowth)}, prices ${signedPercent(priceGrowth)})`
    }
    case "regime": {
      const { reading } = publication
      return `${reading.regime}: ${reading.states.map(({ name, probability }) => `${name} ${percent(probability, 0)}`).join(", ")}`
    }
    case "market-features": {
      const { features } = publication.reading
      const there = features.flatMap((feature) => (feature.status === "available" ? [feature] : []))
      const shown = there.map(({ name, value }) => `${name} ${Number(value.toPrecision(4))}`)
      return `${there.length} of ${features.length}${shown.length > 0 ? `: ${shown.join(", ")}` : ""}`
    }
  }
}

const show = (
  publications: ReadonlyArray<Publication>,
  wanted: ReadonlyArray<StreamName>,
  json: boolean
): Effect.Effect<void> => {
  if (json) {
    return Effect.forEach(publications, (publication) => writeJson({ type: "stream", ...publication }), {
      discard: true
    })
  }
  const published = new Set(publications.map(({ stream }) => stream))
  return writeLine(
    table([
      ...publications.map((publication) => [
        publication.stream,
        instant(publication.asOf),
        publishedAtOf(publication) === publication.asOf ? "" : `at ${secondOf(publishedAtOf(publication))}`,
        summaryOf(publication)
      ]),
      ...wanted
        .filter((stream) => !published.has(stream))
        .map((stream) => [stream, "-", "", "not published yet"])
    ])
  )
}

const latest = (streams: ReadonlyArray<StreamName>, json: boolean) =>
  Effect.gen(function* () {
    const client = yield* callAgent(StreamsRpcs, agent)
    const found = yield* Stream.runCollect(client.LatestStreams({ streams: [...new Set(streams)] }))
    yield* show([...found], streams.length === 0 ? StreamName.literals : streams, json)
  })

const history = (streams: ReadonlyArray<StreamName>, limit: number, json: boolean) =>
  Effect.gen(function* () {
    const [stream, ...others] = streams
    if (stream === undefined || others.length > 0) {
      return yield* new UsageError({ reason: "--history is of one stream: name it." })
    }
    if (limit < 1 || limit > historyMax) {
      return yield* new UsageError({ reason: `--history ${limit} is not between 1 and ${historyMax}.` })
    }
    const client = yield* callAgent(StreamsRpcs, agent)
    const found = yield* Stream.runCollect(client.StreamHistory({ stream, limit }))
    yield* show([...found], streams, json)
  })

export const streamsCommand = (args: ParsedArguments) => {
  const against = againstRunning(args)
  return Command.make(
    "streams",
    {
      streams: Args.choice(
        StreamName.literals.map((stream) => [stream, stream] as const),
        { name: "stream" }
      ).pipe(Args.repeated, Args.withDescription("which of them; all unless given")),
      history: Options.integer("history").pipe(
        Options.optional,
        Options.withDescription("the latest so many publications of one stream, oldest first")
      ),
      json: Options.boolean("json").pipe(
        Options.withDescription("results as JSON on standard output, and nothing else")
      )
    },
    ({ history: limit, json, streams }) =>
      against(
        Option.match(limit, {
          onNone: () => latest(streams, json),
          onSome: (count) => history(streams, count, json)
        })
      )
  ).pipe(Command.withDescription("The market-intelligence streams: what was published last."))
}
