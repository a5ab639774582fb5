/** Small bar files, made by the simulator, and the settings under which a few hundred bars are enough to trade. */
import { writeFileSync } from "node:fs"
import { Either } from "effect"
import { simulate } from "../../src/market/Simulator.ts"
import { momentum } from "../../src/market/worlds.ts"
import { TimeFrame } from "../../src/protocols/TimeFrame.ts"

const startTime = Date.UTC(2024, 0, 1)

/** Writes a long file of one-minute bars of several instruments. */
export const writeBarFile = (
  path: string,
  options: { readonly asOfs: number; readonly instruments: number; readonly seed?: number }
): void => {
  const { asOfs, instruments, seed = 2 } = options
  const simulation = Either.getOrThrow(
    simulate({ world: momentum, seed, instruments, timeFrame: TimeFrame.make("1m"), startTime })
  )
  const rows = Array.from({ length: asOfs }, () =>
    simulation
      .next()
      .map(({ close, high, instrument, low, open, openTime, volume }) =>
        [new Date(openTime).toISOString(), instrument.split(":")[1], open, high, low, close, volume].join(",")
      )
  )
  writeFileSync(path, `${["timestamp,ticker,open,high,low,close,volume", ...rows.flat()].join("\n")}\n`)
}

/** With three instruments: a linear model from bar 80 on, a Q-table from bar 185, and guards that let much pass. */
export const quick: ReadonlyArray<string> = Object.entries({
  "market-data.warm-up-bars-min": 80,
  "market-data.history": 80,
  "deep-learning.rows-min": 60,
  "deep-learning.refit-every-bars": 60,
  "reinforcement-learning.bars-min": 60,
  "reinforcement-learning.refit-every-bars": 60,
  "reinforcement-learning.episodes": 3,
  "models.deployment-threshold": 100,
  "orchestrator.quorum": 1,
  "orchestrator.skill-alpha": 1,
  "orchestrator.confidence-min": 0,
  "orchestrator.win-probability-min": 0.2,
  "orchestrator.edge-cost-multiple-min": 0
}).flatMap(([key, value]) => [`--${key}`, String(value)])

/** A paced system that is soon through its warm-up. */
export const paced = [
  ...["--instruments", "3", "--seed", "2", "--speed", "300x"],
  ...quick,
  ...["--market-data.history", "200"]
]
