/** The feed that the configuration asks for. */
import type { Effect } from "effect"
import type { BarFileError, ScheduleError, SimulatorError } from "../../market/errors.ts"
import type { NotASession } from "../../market/time/errors.ts"
import type { Settings } from "../Settings.ts"
import type { FileUnreadable, NoSource, SourceFailed } from "./errors.ts"
import type { Feed } from "./Feed.ts"
import { openFileFeed } from "./FileFeed.ts"
import { openLiveFeed } from "./LiveFeed.ts"
import { openSimulatorFeed } from "./SimulatorFeed.ts"
import type { Venues } from "./Venues.ts"

export type FeedError =
  | BarFileError
  | NotASession
  | ScheduleError
  | SimulatorError
  | FileUnreadable
  | NoSource
  | SourceFailed

export const openFeed = (settings: Settings): Effect.Effect<Feed, FeedError, Venues> => {
  switch (settings.marketData.source) {
    case "csv":
      return openFileFeed(settings.marketData)
    case "simulator":
      return openSimulatorFeed(settings.marketData, settings.run.seed)
    case "live":
      return openLiveFeed(settings.marketData)
  }
}
