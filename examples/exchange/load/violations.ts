const SHOWN_MAX = 20

export interface ViolationReport {
  readonly count: number
  /** The first of them, in words. */
  readonly first: readonly string[]
}

/** What a server did that it must not do. Remembers the first and counts the rest. */
export class Violations {
  private readonly first: string[] = []
  private count = 0

  add(text: string): void {
    this.count++
    if (this.first.length < SHOWN_MAX) this.first.push(text)
  }

  get report(): ViolationReport {
    return { count: this.count, first: this.first }
  }
}
