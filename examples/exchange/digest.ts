import type { Engine } from './engine'
import type { Market } from './market'
import type { Order } from './order'
import type { User } from './user'

const TWO_TO_32 = 2 ** 32

/**
 * A 64-bit hash over a sequence of numbers and texts, in two lanes of 32-bit arithmetic, which JavaScript does fast and
 * without allocating. Each step is a bijection of what came before and of the new word, so two sequences that differ in
 * one word never have the same hash. It finds mistakes and damage; it is no protection against an attacker.
 */
class SequenceHash {
  private left: number
  private right: number

  constructor(seed: number) {
    this.left = seed
    this.right = ~seed
  }

  number(value: number): void {
    this.word(value | 0)
    this.word(Math.floor(value / TWO_TO_32) | 0)
  }

  text(value: string): void {
    this.word(value.length)
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i))
  }

  /** Both lanes, each once more mixed so that sums of them stay well spread. */
  value(): readonly [number, number] {
    return [finish(this.left), finish(this.right)]
  }

  private word(word: number): void {
    let left = this.left ^ Math.imul(word, 0x2c1b3c6d)
    left = Math.imul((left << 13) | (left >>> 19), 0x297a2d39)
    this.left = (left ^ (left >>> 15)) + 0x5f356495
    let right = this.right ^ Math.imul(word, 0x7ed55d17)
    right = Math.imul((right << 7) | (right >>> 25), 0x165667b1)
    this.right = (right ^ (right >>> 16)) + 0x3c6ef35f
    this.left |= 0
    this.right |= 0
  }
}

function finish(word: number): number {
  const mixed = Math.imul(word ^ (word >>> 16), 0x45d9f3b3)
  return Math.imul(mixed ^ (mixed >>> 13), 0x119de1f3) >>> 0
}

/**
 * Collects the digest of a state while somebody walks through it: `writeState` feeds it with the rows that it writes,
 * so that a child needs no second pass. Orders have to come by market, side and priority, users by id; what has no
 * order, the keys of balance updates, is summed.
 */
export class StateDigest {
  private readonly orders = new SequenceHash(1)
  private readonly users = new SequenceHash(2)
  private readonly balances = new SequenceHash(3)
  private readonly markets = new SequenceHash(4)
  private keySums: [number, number] = [0, 0]

  order(order: Order): void {
    const { orders } = this
    const flags = (order.side === 'ASK' ? 0 : 1) | (order.type === 'LIMIT' ? 0 : 2) | (order.postOnly ? 4 : 0)
    orders.number(order.id)
    orders.number(order.market.index * 8 + flags)
    orders.number(order.user.id)
    orders.number(order.price)
    orders.number(order.amount)
    orders.number(order.remain)
    orders.number(order.finishedQuote)
    orders.number(order.createTime)
    orders.number(order.updateTime)
    orders.text(order.signature)
  }

  user(user: User): void {
    this.users.number(user.id)
    this.users.text(user.l1Address)
    this.users.text(user.l2Pubkey)
  }

  balance(userId: number, asset: number, kind: number, units: number): void {
    this.balances.number(userId)
    this.balances.number(asset * 4 + kind)
    this.balances.number(units)
  }

  seenKey(userId: number, key: string): void {
    const hash = new SequenceHash(userId)
    hash.text(key)
    const [left, right] = hash.value()
    this.keySums = [(this.keySums[0] + left) % TWO_TO_32, (this.keySums[1] + right) % TWO_TO_32]
  }

  market(market: Market): void {
    this.markets.text(market.config.name)
    this.markets.number(market.tradeCount)
  }

  /** 16 hexadecimal digits. */
  result(engine: Engine): string {
    const all = new SequenceHash(5)
    for (const part of [this.orders, this.users, this.balances, this.markets])
      part.value().forEach((n) => all.number(n))
    for (const number of [...this.keySums, engine.orderId, engine.tradeId]) all.number(number)
    return all
      .value()
      .map((word) => word.toString(16).padStart(8, '0'))
      .join('')
  }
}

/** A digest of the whole state, as `writeState` stores it for the same state. */
export function digest(engine: Engine): string {
  const hash = new StateDigest()
  for (const user of engine.users) hash.user(user)
  for (const { userId, asset, kind, units } of balanceEntries(engine)) hash.balance(userId, asset.index, kind, units)
  for (const { userId, key } of seenEntries(engine)) hash.seenKey(userId, key)
  for (const market of engine.markets.values()) hash.market(market)
  for (const order of restingOrders(engine)) hash.order(order)
  return hash.result(engine)
}

/** Kinds of balance, as the tables number them. */
export const AVAILABLE = 1
export const FROZEN = 2

export interface BalanceEntry {
  readonly userId: number
  readonly asset: { readonly symbol: string; readonly index: number; readonly precision: number }
  readonly kind: typeof AVAILABLE | typeof FROZEN
  readonly units: number
}

/** All balances that are not zero, by user, asset and kind. */
export function* balanceEntries(engine: Engine): Generator<BalanceEntry, void, undefined> {
  const assets = [...engine.assets.values()]
  for (const { id: userId } of engine.users) {
    for (const asset of assets) {
      const available = engine.balances.available(userId, asset.index)
      if (available !== 0) yield { userId, asset, kind: AVAILABLE, units: available }
      const frozen = engine.balances.frozen(userId, asset.index)
      if (frozen !== 0) yield { userId, asset, kind: FROZEN, units: frozen }
    }
  }
}

/** All balance updates that must not be made again. */
export function* seenEntries(engine: Engine): Generator<{ userId: number; key: string }, void, undefined> {
  for (const user of engine.users) {
    for (const key of user.seenKeys) yield { userId: user.id, key }
  }
}

/** All resting orders by market, side (asks first) and priority. */
export function* restingOrders(engine: Engine): Generator<Order, void, undefined> {
  for (const market of engine.markets.values()) {
    yield* market.asks
    yield* market.bids
  }
}
