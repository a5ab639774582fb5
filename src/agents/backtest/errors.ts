/** What keeps a run from being judged, a trial from being entered in its ledger, or the ledger from being read. */
import { Schema } from "effect"

const Text = Schema.String
const Count = Schema.Finite

export class TrialLedgerDamaged extends Schema.TaggedError<TrialLedgerDamaged>()("TrialLedgerDamaged", {
  path: Text,
  /** From 1. */
  line: Count,
  reason: Text
}) {
  override get message() {
    return `Line ${this.line} of the trial ledger ${this.path} is damaged: ${this.reason}. Mend the line: a trial that is left out makes the best of them look better than it is.`
  }
}

export class TrialLedgerFull extends Schema.TaggedError<TrialLedgerFull>()("TrialLedgerFull", {
  path: Text,
  entriesMax: Count
}) {
  override get message() {
    return `The trial ledger ${this.path} has no room within its ${this.entriesMax} entries: go on in another folder, and count the trials of both.`
  }
}

export class TrialLedgerFailed extends Schema.TaggedError<TrialLedgerFailed>()("TrialLedgerFailed", {
  path: Text,
  reason: Text
}) {
  override get message() {
    return `The trial ledger ${this.path} cannot be used: ${this.reason}.`
  }
}

export class RunTooLong extends Schema.TaggedError<RunTooLong>()("RunTooLong", {
  asOfs: Count,
  instruments: Count,
  bars: Count,
  barsMax: Count
}) {
  override get message() {
    const instruments = this.instruments === 1 ? "one instrument" : `${this.instruments} instruments`
    return `${this.bars} bars of ${instruments} at ${this.asOfs} as-ofs are more than the ${this.barsMax} whose records this process has memory for: take a shorter range by --to or --last N, fewer instruments by --symbol, bars of a longer time frame, or more memory by NODE_OPTIONS=--max-old-space-size=8192 (MiB).`
  }
}

export class RetentionTooShort extends Schema.TaggedError<RetentionTooShort>()("RetentionTooShort", {
  asOfs: Count,
  eventsNeeded: Count,
  streamEventsMax: Count
}) {
  override get message() {
    return `${this.asOfs} as-ofs are more than the journal keeps, ${this.streamEventsMax} events of a stream, and without all of them nothing can be judged: take a shorter range by --to or --last N, bars of a longer time frame, or raise the limit by --store.stream-events-max ${this.eventsNeeded}.`
  }
}

export class RecordsDropped extends Schema.TaggedError<RecordsDropped>()("RecordsDropped", {
  stream: Text
}) {
  override get message() {
    return `The journal has dropped the oldest events of the stream ${this.stream}, and without all of them nothing can be judged: raise --store.stream-events-max, or take a shorter range by --to or --last N.`
  }
}

export class OrdersRefused extends Schema.TaggedError<OrdersRefused>()("OrdersRefused", {
  /** The lengths of its averages. */
  rule: Text,
  orders: Count
}) {
  override get message() {
    const orders = this.orders === 1 ? "The only order" : `Each of the ${this.orders} orders`
    return `${orders} of the rule ${this.rule} was refused by the account, so that it never traded and nothing can be said of it: raise broker.leverageMax, allow broker.shorting, or leave --shorting out.`
  }
}
