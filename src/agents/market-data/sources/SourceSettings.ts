/**
 * What each kind of source has to be told. The settings of a run are written down beside its data, and so no secret
 * stands in them: `secretVariable` names the environment variable that holds it.
 */
import { Schema } from "effect"
import { Instrument, InstrumentId, type InstrumentKind, symbolOf } from "../../../protocols/Instrument.ts"
import { TimeFrame } from "../../../protocols/TimeFrame.ts"
import { Identifier } from "../../../protocols/wire/Ids.ts"
import { Limits } from "../../../protocols/wire/Limits.ts"

const Positive = Schema.Int.pipe(Schema.positive())
const Factor = Schema.Finite.pipe(Schema.between(1e-12, 1e12))
const Text = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(Limits.reasonCharsMax))
const Timeout = Schema.Int.pipe(Schema.between(10, 600_000))

const defaulted = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value })

const Variable = Schema.String.pipe(
  Schema.pattern(/^[A-Z][A-Z0-9_]{0,127}$/, {
    message: () => "expected the name of an environment variable, like FEED_SECRET"
  })
)

/** An address without a user or a password in it. */
const address = (...protocols: ReadonlyArray<string>) =>
  Schema.String.pipe(
    Schema.maxLength(Limits.reasonCharsMax),
    Schema.filter((text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined
      if (url === undefined || !protocols.includes(url.protocol)) {
        return `expected an address like ${protocols[0]}//host:port`
      }
      return url.username === "" && url.password === ""
        ? true
        : "no user or password may stand in an address: name the variable that holds them in secretVariable"
    })
  )

/** What numbers of the source mean, if not prices in quote currency and volumes in base units. */
export const UnitSettings = Schema.Struct({
  /** Quote units in one unit of a price: 0.01 where prices are in pence. */
  priceFactor: defaulted(Factor, 1),
  /** Base units (or quote units, by `volumeIn`) in one unit of a volume: 100 where it counts lots of a hundred. */
  volumeFactor: defaulted(Factor, 1),
  /** A volume in quote currency is divided by the typical price of its bar; with `none` it is left out. */
  volumeIn: defaulted(Schema.Literal("base", "quote", "none"), "base")
})
export type UnitSettings = typeof UnitSettings.Type

export const plainUnits: UnitSettings = { priceFactor: 1, volumeFactor: 1, volumeIn: "base" }

/** What the numbers of every source mean once they are bars. */
export const normalUnits = { price: "quote currency", volume: "base units" } as const

/** An instrument of a place that has no catalogue of its own. */
export const ListedInstrument = Schema.Struct({
  id: InstrumentId,
  tick: Instrument.fields.tick,
  lot: Instrument.fields.lot,
  currency: Instrument.fields.currency,
  calendar: defaulted(Instrument.fields.calendar, "always")
})
export type ListedInstrument = typeof ListedInstrument.Type

export const listedInstrument = (listed: ListedInstrument): Instrument => {
  const [venue, , kind] = listed.id.split(":") as [string, string, InstrumentKind]
  return { ...listed, venue, symbol: symbolOf(listed.id), kind }
}

const Listed = Schema.Array(ListedInstrument).pipe(
  Schema.minItems(1),
  Schema.maxItems(Limits.barsPerEventMax)
)

const name = Identifier
/** Requests that all consumers of a node make of the place together. */
const requestsPerMinuteMax = Schema.optional(Positive)
const requestTimeoutMs = defaulted(Timeout, 10_000)
/** A connection that says nothing, not even that it lives, is given up after this. */
const silentAfterMs = defaulted(Timeout, 15_000)
const secretVariable = Schema.optional(Variable)
const units = defaulted(UnitSettings, plainUnits)

export const CcxtSettings = Schema.Struct({
  kind: Schema.Literal("ccxt"),
  name,
  /** Its id in ccxt. */
  exchange: Schema.String.pipe(Schema.pattern(/^[a-z0-9]{1,40}$/)),
  /** ccxt's symbols, each perhaps to stand for an instrument of another name. */
  instruments: Schema.Array(
    Schema.Struct({ symbol: Text.pipe(Schema.maxLength(96)), instrument: Schema.optional(InstrumentId) })
  ).pipe(Schema.minItems(1), Schema.maxItems(Limits.barsPerEventMax)),
  /** Which of the exchange's markets are loaded (ccxt's option `fetchMarkets.types`); its own choice when empty. */
  marketTypes: defaulted(Schema.Array(Identifier), []),
  /** Whether the exchange counts the volume of derivatives in contracts. */
  volumeIn: defaulted(Schema.Literal("base", "contracts"), "base"),
  /** Where to reach it instead of its own address. */
  baseUrl: Schema.optional(address("https:", "http:")),
  /** Live bars by WebSocket instead of by asking at each close. */
  webSocket: defaulted(Schema.Boolean, false),
  /** How long after its close a bar is first asked for. */
  pollDelayMs: defaulted(Schema.Int.pipe(Schema.between(0, 60_000)), 1_000),
  requestTimeoutMs,
  requestsPerMinuteMax,
  /** `key:secret`; public data needs none. */
  secretVariable
})
export type CcxtSettings = typeof CcxtSettings.Type

export const CompanionSettings = Schema.Struct({
  kind: Schema.Literal("companion"),
  name,
  /** History and instruments. */
  url: address("http:", "https:"),
  /** Live bars; without it the service has none. */
  liveUrl: Schema.optional(address("ws:", "wss:")),
  units,
  requestTimeoutMs,
  requestsPerMinuteMax,
  silentAfterMs,
  /** A bearer token for the requests; the live connection sends it with its first message. */
  secretVariable
})
export type CompanionSettings = typeof CompanionSettings.Type

export const RedisSettings = Schema.Struct({
  kind: Schema.Literal("redis"),
  name,
  url: address("redis:", "rediss:"),
  instruments: Listed,
  units,
  requestTimeoutMs,
  silentAfterMs,
  /** `user:password`, or the password alone. */
  secretVariable
})
export type RedisSettings = typeof RedisSettings.Type

export const NatsSettings = Schema.Struct({
  kind: Schema.Literal("nats"),
  name,
  url: address("nats:"),
  instruments: Listed,
  units,
  requestTimeoutMs,
  silentAfterMs,
  /** `user:password`, or a token. */
  secretVariable
})
export type NatsSettings = typeof NatsSettings.Type

export const SqliteSettings = Schema.Struct({
  kind: Schema.Literal("sqlite"),
  name,
  path: Text,
  instruments: Listed,
  units
})
export type SqliteSettings = typeof SqliteSettings.Type

export const FileSettings = Schema.Struct({
  kind: Schema.Literal("file"),
  name,
  files: Schema.Array(Schema.Struct({ path: Text, instrument: Schema.optional(Text) })).pipe(
    Schema.minItems(1),
    Schema.maxItems(Limits.barsPerEventMax)
  ),
  /** Which instruments of the files; all when empty. */
  symbols: defaulted(Schema.Array(Text), []),
  refusedShareMax: defaulted(Schema.Finite.pipe(Schema.between(0, 1)), 0.05)
})
export type FileSettings = typeof FileSettings.Type

export const SimulatorSettings = Schema.Struct({
  kind: Schema.Literal("simulator"),
  name,
  world: Text,
  seed: Schema.NonNegativeInt,
  instruments: Positive.pipe(Schema.lessThanOrEqualTo(100)),
  timeFrame: TimeFrame,
  /** When its first bar opens. Everything from there to now is simulated, so that it should not lie far back. */
  start: Schema.String.pipe(
    Schema.filter((text) => Date.parse(text) >= 0 || "expected a date since 1970, like 2026-01-01T00:00:00Z")
  )
})
export type SimulatorSettings = typeof SimulatorSettings.Type

export const SourceSettings = Schema.Union(
  CcxtSettings,
  CompanionSettings,
  RedisSettings,
  NatsSettings,
  SqliteSettings,
  FileSettings,
  SimulatorSettings
)
export type SourceSettings = typeof SourceSettings.Type

const hostOf = (url: string): string => new URL(url).host

/** What is connected to: two settings of one venue would open two connections to it. */
export const venueOf = (settings: SourceSettings): string => {
  switch (settings.kind) {
    case "ccxt": {
      const at = settings.baseUrl === undefined ? "" : `@${hostOf(settings.baseUrl)}`
      return `ccxt/${settings.exchange}${at}`
    }
    case "companion":
    case "redis":
    case "nats":
      return `${settings.kind}/${hostOf(settings.url)}`
    case "sqlite":
      return `sqlite/${settings.path}`
    case "file":
      return `file/${settings.files.map(({ path }) => path).join(",")}`
    case "simulator":
      return `simulator/${settings.world}/${settings.seed}`
  }
}
