/** Where bars come from, and how they are released. */
import { Schema } from "effect"
import { Calendar } from "../../protocols/Instrument.ts"
import { TimeFrame } from "../../protocols/TimeFrame.ts"
import { SourceSettings } from "../market-data/sources/SourceSettings.ts"
import { Count, described, Ms, Positive, Share } from "./fields.ts"

export const LiveSettings = Schema.Struct({
  handOverMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(50),
    described("a bar that another source has and the active one does not is waited for so long")
  ),
  wellForMs: Ms.pipe(described("a preferred source takes over again when it has been well for so long")),
  disagreeShare: Share.pipe(described("closes of two sources that differ by more raise an alarm")),
  barrierMs: Ms.pipe(
    described("an as-of is let go so long after its first bar, without the instruments that have none")
  ),
  fillMs: Ms.pipe(described("missing bars that no source gives within this are left out")),
  failuresMax: Positive.pipe(described("failures in a row that open a source's circuit breaker")),
  backoffMs: Ms.pipe(
    Schema.greaterThanOrEqualTo(10),
    described("pause after a source's first failure; doubles with each further one")
  ),
  backoffMaxMs: Ms.pipe(described("longest pause before a source is tried again"))
}).pipe(
  Schema.filter(({ barrierMs, handOverMs }) =>
    barrierMs > handOverMs
      ? undefined
      : {
          path: ["barrierMs"],
          message: `expected more than marketData.live.handOverMs (${handOverMs}), or a hand-over comes too late for its as-of; actual ${barrierMs}`
        }
  )
)

/** By which calendar bar files are read: one that is named, or the one that their days tell. */
export const CalendarChoice = Schema.Literal("auto", ...Calendar.literals)
export type CalendarChoice = typeof CalendarChoice.Type

export const MarketDataSettings = Schema.Struct({
  source: Schema.Literal("simulator", "csv", "live"),
  paths: Schema.Array(Schema.String).pipe(described("bar files, each [INSTRUMENT=]FILE")),
  symbols: Schema.Array(Schema.String).pipe(
    described("which instruments of the files or sources; all when empty")
  ),
  instrumentsMax: Count.pipe(described("at most so many instruments of each file; 0 for all")),
  lastAsOfs: Count.pipe(described("only the last so many as-ofs; 0 for all")),
  from: Schema.String.pipe(
    described("files: when trading begins, a date or an instant; what is before it is the warm-up")
  ),
  to: Schema.String.pipe(described("files: the last as-of, a date or an instant; no end when empty")),
  refusedShareMax: Share.pipe(described("share of refused rows that stops the run")),
  calendar: CalendarChoice.pipe(
    described(
      "files: when their instruments trade, file sources of a live run too; auto tells weekdays from always by the days of the bars"
    )
  ),
  speed: Schema.String.pipe(
    Schema.pattern(/^(max|real|[0-9]+(\.[0-9]+)?x?)$/, {
      message: () => "expected max, real or a factor like 60x"
    }),
    described("max runs in lock-step; real and Nx keep time")
  ),
  warmUpBarsMin: Positive,
  warmUpShare: Share.pipe(described("of the as-ofs of a feed that ends")),
  world: Schema.String.pipe(described("simulator: market, momentum or efficient")),
  instruments: Positive.pipe(Schema.lessThanOrEqualTo(100), described("simulator: how many")),
  timeFrame: TimeFrame.pipe(described("simulator and live: length of a bar")),
  asOfs: Count.pipe(described("simulator: bars until it ends; 0 for no end")),
  history: Count.pipe(described("live, and simulator without an end: bars of the warm-up")),
  sources: Schema.Array(SourceSettings).pipe(
    Schema.maxItems(8),
    described("live: where bars come from, in the order of preference, in a file: `- {kind: ccxt, ...}`")
  ),
  live: LiveSettings
})
