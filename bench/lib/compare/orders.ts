/** The state of the comparison: orders as an exchange keeps them, the same ones in each process. */

/** About 220 bytes as JSON. Objects of one shape, each with a string of its own. */
export interface Order {
  readonly id: number
  readonly market: string
  readonly user: string
  readonly side: 'buy' | 'sell'
  readonly type: 'limit'
  /** In hundredths of a cent. */
  readonly price: number
  readonly amount: number
  remain: number
  readonly signature: string
  /** In milliseconds since the epoch. */
  readonly createdAt: number
  updatedAt: number
}

export const FIRST_ID = 1_000_001
export const MARKETS = ['ETH_USDT', 'UNI_USDT', 'LINK_USDT', 'MATIC_USDT']
export const SIDES = ['buy', 'sell'] as const
const USERS = 10_000
const START_MS = Date.UTC(2026, 0, 1)
const SIGNATURE_BYTES = 16

/** The same numbers each time: a multiplicative generator, 0 to below `limit` (at most 2^31). */
export class Numbers {
  private last = 20_260_101

  next(limit: number): number {
    this.last = Math.imul(this.last, 1_664_525) + 1_013_904_223
    return Math.floor(((this.last >>> 1) / 2 ** 31) * limit)
  }
}

/** A tenth of the orders is busy: four of five operations go there. */
const BUSY_PART = 0.1
const BUSY_OPERATIONS = 0.8

/** Which of so many orders the next operation of the load is about. */
export function nextIndex(numbers: Numbers, length: number): number {
  const busy = numbers.next(1_000) < BUSY_OPERATIONS * 1_000
  return numbers.next(busy ? Math.ceil(length * BUSY_PART) : length)
}

export function* newOrders(count: number): Generator<Order, void> {
  const numbers = new Numbers()
  const users = Array.from({ length: USERS }, (_, user) => `user-${String(user).padStart(6, '0')}`)
  const signature = Buffer.alloc(SIGNATURE_BYTES)
  for (let i = 0; i < count; i++) {
    for (let at = 0; at < SIGNATURE_BYTES; at += 4) signature.writeUInt32LE(numbers.next(2 ** 31), at)
    const amount = 1_000 + numbers.next(1_000_000)
    const createdAt = START_MS + i
    yield {
      id: FIRST_ID + i,
      market: MARKETS[i % MARKETS.length] ?? '',
      user: users[numbers.next(USERS)] ?? '',
      side: SIDES[numbers.next(2)] ?? 'buy',
      type: 'limit',
      price: 100_000 + numbers.next(9_000_000),
      amount,
      remain: amount,
      signature: signature.toString('hex'),
      createdAt,
      updatedAt: createdAt,
    }
  }
}

export function makeOrders(count: number): Order[] {
  // Not from the iterator at once: an array that grows by itself has a quarter of free places.
  const orders: Order[] = new Array<Order>(count)
  let at = 0
  for (const order of newOrders(count)) orders[at++] = order
  return orders
}

/** What a snapshot of it is as lines of JSON, for the methods that write so. */
export function lineOf(order: Order): string {
  return JSON.stringify(order) + '\n'
}

/** A state that the load changes: `fill` changes one record and returns what remains of it. */
export interface State {
  readonly length: number
  fill(index: number, amount: number, nowMs: number): number
}

export class OrderState implements State {
  constructor(readonly orders: readonly Order[]) {}

  get length(): number {
    return this.orders.length
  }

  fill(index: number, amount: number, nowMs: number): number {
    const order = this.orders[index]
    if (order === undefined) throw new RangeError(`there is no order ${index}`)
    order.remain = order.remain > amount ? order.remain - amount : order.amount
    order.updatedAt = nowMs
    return order.remain
  }
}
