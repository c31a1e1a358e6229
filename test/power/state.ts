import { createHash } from 'node:crypto'

export interface Operation {
  readonly cell: number
  readonly value: string
}

/** The state of the engine whose power is cut, and of the model that it is compared with. */
export class State {
  position = 0
  /** Digest of all operations so far: two states of the same position are the same only if their histories are. */
  chain = ''
  readonly cells = new Map<number, string>()

  apply(id: number, { cell, value }: Operation): void {
    if (id !== this.position + 1) throw new Error(`operation ${id} follows ${this.position}`)
    this.position = id
    this.chain = sha256(`${this.chain} ${id} ${cell} ${value}`)
    this.cells.set(cell, value)
  }

  restore(position: number, chain: string): void {
    this.position = position
    this.chain = chain
  }

  /** Says the same for the same history and the same cells, however they came to be. */
  digest(): string {
    const cells = [...this.cells].sort(([one], [other]) => one - other)
    return sha256(JSON.stringify([this.position, this.chain, cells]))
  }

  copy(): State {
    const copy = new State()
    copy.restore(this.position, this.chain)
    for (const [cell, value] of this.cells) copy.cells.set(cell, value)
    return copy
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
