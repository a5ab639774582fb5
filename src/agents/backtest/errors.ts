/** What keeps a trial from being entered in its ledger, or the ledger from being read. */
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
    return `The trial ledger ${this.path} has its ${this.entriesMax} entries: go on in another folder, and count the trials of both.`
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
