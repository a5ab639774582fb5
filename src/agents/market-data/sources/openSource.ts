/** Opens the source that settings name. What needs the network may not answer yet: it is asked when it is used. */
import type { Effect, Scope } from "effect"
import type { CalendarChoice } from "../../settings/MarketDataSettings.ts"
import type { BarSource } from "../BarSource.ts"
import type { SourceFailed } from "../errors.ts"
import type { RateBudget } from "../RateBudget.ts"
import { openCcxt } from "./CcxtSource.ts"
import { openCompanion } from "./CompanionSource.ts"
import { openFiles } from "./FileSource.ts"
import { openNats } from "./NatsSource.ts"
import { openRedis } from "./RedisSource.ts"
import { openSimulator } from "./SimulatorSource.ts"
import type { SourceSettings } from "./SourceSettings.ts"
import { openSqlite } from "./SqliteSource.ts"

/** Every request is made within the budget; what was opened is closed with the scope. The calendar is that of files. */
export const openSource = (
  settings: SourceSettings,
  budget: RateBudget,
  calendar: CalendarChoice
): Effect.Effect<BarSource, SourceFailed, Scope.Scope> => {
  switch (settings.kind) {
    case "ccxt":
      return openCcxt(settings, budget)
    case "companion":
      return openCompanion(settings, budget)
    case "redis":
      return openRedis(settings)
    case "nats":
      return openNats(settings)
    case "sqlite":
      return openSqlite(settings)
    case "file":
      return openFiles(settings, calendar)
    case "simulator":
      return openSimulator(settings)
  }
}
