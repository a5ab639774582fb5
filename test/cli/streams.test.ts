import { describe, expect, it } from "@effect/vitest"
import { summaryOf } from "../../src/cli/streams.ts"
import { instrumentId } from "../../src/protocols/Instrument.ts"
import { type OpinionRecord, type Publication, StreamName, unavailable } from "../../src/protocols/Streams.ts"

const [alpha, bravo] = [instrumentId("sim", "ALPHA", "spot"), instrumentId("sim", "BRAVO", "spot")]
const about = {
  definition: 1,
  asOf: 1_704_067_200_000,
  sequence: 3,
  publishedAt: 1_704_067_200_000,
  sources: []
}
const priceOf = (instrument: typeof alpha, ageMs: number) => ({
  instrument,
  price: 101.5,
  openTime: 0,
  closeTime: 60_000,
  source: "test",
  barSequence: 0,
  revision: 0,
  knownAt: 60_000,
  ageMs
})
const record: OpinionRecord = {
  status: "available",
  score: 0.55,
  excessBrier: -0.012,
  excessBrierError: 0.004,
  excessLogLoss: 0,
  excessLogLossError: 0,
  outcomes: 100,
  asOfs: 50,
  from: 0,
  to: 1
}

const cases: ReadonlyArray<readonly [Publication, string]> = [
  [
    {
      ...about,
      stream: "prices",
      reading: { status: "available", prices: [priceOf(alpha, 0), priceOf(bravo, 90_000)] }
    },
    "ALPHA 101.500, BRAVO 101.500 (1 min 30 s old)"
  ],
  [
    {
      ...about,
      stream: "prices",
      reading: { status: "available", prices: Array.from({ length: 7 }, () => priceOf(alpha, 0)) }
    },
    "ALPHA 101.500, ALPHA 101.500, ALPHA 101.500, ALPHA 101.500, and 3 more"
  ],
  [
    {
      ...about,
      stream: "volatility",
      reading: {
        status: "available",
        instruments: [
          {
            instrument: alpha,
            barsPerYear: 365,
            realised: [
              {
                windowBars: 16,
                closeToClose: [{ horizonBars: 1, volatility: 0.5 }],
                parkinson: null,
                garmanKlass: null,
                yangZhang: null
              }
            ],
            implied: unavailable("none")
          }
        ]
      }
    },
    "ALPHA 50.0% a year"
  ],
  [
    {
      ...about,
      stream: "sentiment",
      reading: {
        status: "available",
        scorer: "words",
        halfLifeMs: 1,
        market: {
          score: -0.25,
          negative: 0.5,
          neutral: 0.25,
          positive: 0.25,
          texts: 3,
          sentences: 9,
          sentencesEffective: 5,
          latestAt: 0
        },
        instruments: []
      }
    },
    "-0.25 of 9 sentences in 3 texts"
  ],
  [
    {
      ...about,
      stream: "inequality-momentum",
      reading: {
        status: "available",
        gini: 0.4,
        giniOf: "series",
        trend: 2,
        momentum: 1.5,
        signal: 0.7,
        moment: "rising",
        instruments: []
      }
    },
    "signal +0.70 (rising moment): Gini 0.400, trend +2.00, momentum +1.50"
  ],
  [
    {
      ...about,
      stream: "contrarian",
      reading: { status: "available", opportunities: [], examined: 4, passedOver: 1 }
    },
    "none among 4 instruments"
  ],
  [
    {
      ...about,
      stream: "contrarian",
      reading: {
        status: "available",
        opportunities: [
          {
            instrument: alpha,
            side: "sell",
            score: 0.8,
            lean: 0.3,
            extremity: 1,
            move: 0.1,
            stretch: 3,
            reasons: []
          }
        ],
        examined: 4,
        passedOver: 1
      }
    },
    "sell ALPHA 0.80"
  ],
  [
    {
      ...about,
      stream: "consensus-wrong",
      reading: { status: "available", pooled: record, surveyed: unavailable("none") }
    },
    "pool 0.55 (Brier -0.012 ± 0.004 beside the base rate, 50 as-ofs), surveys -"
  ],
  [
    {
      ...about,
      stream: "real-wages",
      reading: {
        status: "available",
        observedAt: Date.UTC(2023, 9, 1),
        publishedAt: 0,
        realGrowth: -0.01,
        wageGrowth: 0.05,
        priceGrowth: 0.06
      }
    },
    "-1.00% over the year to 2023-10-01 (wages +5.00%, prices +6.00%)"
  ],
  [
    {
      ...about,
      stream: "regime",
      reading: {
        status: "available",
        regime: "turbulent",
        states: (["calm", "turbulent"] as const).map((name, i) => ({
          name,
          probability: i === 1 ? 0.9 : 0.1,
          nextProbability: 0.5,
          meanReturn: 0,
          returnDeviation: 0.01,
          volatility: 0.01,
          expectedBars: null
        })),
        fittedAsOf: 0,
        fittedBars: 200,
        logLikelihood: 1
      }
    },
    "turbulent: calm 10%, turbulent 90%"
  ],
  [
    {
      ...about,
      stream: "market-features",
      reading: {
        status: "available",
        version: 1,
        features: [
          {
            name: "vix_level",
            unit: "index points",
            source: "vix.csv",
            status: "available",
            value: 14.123456,
            at: 0
          },
          { name: "correlation", unit: "-1 to 1", source: "bars", status: "available", value: 0, at: 0 },
          {
            name: "put_call_ratio",
            unit: "ratio",
            source: "",
            status: "absent",
            absence: "no-source",
            reason: "none"
          }
        ]
      }
    },
    "2 of 3: vix_level 14.12, correlation 0"
  ]
]

describe("a stream in one line", () => {
  it.each(cases)("of %o", (publication, line) => {
    expect(summaryOf(publication)).toBe(line)
  })

  it("has a case for each stream, and a reason where it is unavailable", () => {
    expect(new Set(cases.map(([{ stream }]) => stream))).toEqual(new Set(StreamName.literals))
    for (const stream of StreamName.literals) {
      const publication = { ...about, stream, reading: unavailable("nothing is there") } as Publication
      expect(summaryOf(publication)).toBe("unavailable: nothing is there")
    }
  })
})
