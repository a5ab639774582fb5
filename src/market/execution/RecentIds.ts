/**
 * Ids seen lately: the last so many at least, twice as many at most. Two sets take turns, so that forgetting costs
 * nothing.
 */
const idsMax = 100_000

export class RecentIds {
  private current = new Set<string>()
  private before = new Set<string>()

  has(id: string): boolean {
    return this.current.has(id) || this.before.has(id)
  }

  add(id: string): void {
    if (this.current.size >= idsMax) {
      this.before = this.current
      this.current = new Set()
    }
    this.current.add(id)
  }
}
