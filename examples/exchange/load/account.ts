import type { Random } from '../random'

/** An order that is in a book, as far as its owner knows: somebody may have taken it meanwhile. */
export interface OpenOrder {
  readonly id: number
  readonly market: string
}

/** A user of the load, with what it remembers. All its requests go over one connection. */
export class Account {
  private readonly open: OpenOrder[] = []
  /** An order that has left the books for certain. */
  finished: OpenOrder | undefined

  constructor(
    readonly id: number,
    readonly connection: number,
  ) {}

  get openOrders(): number {
    return this.open.length
  }

  opened(order: OpenOrder): void {
    this.open.push(order)
  }

  look(random: Random): OpenOrder {
    return this.open[random.below(this.open.length)]
  }

  /** Takes one out, so that it is cancelled only once. The last takes its place: there is no order to keep. */
  take(random: Random): OpenOrder {
    const place = random.below(this.open.length)
    const taken = this.open[place]
    const last = this.open.pop()
    if (last !== undefined && last !== taken) this.open[place] = last
    return taken
  }
}
