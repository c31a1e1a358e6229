import { status, type ServiceError } from '@grpc/grpc-js'
import type { Operation } from '../operations'
import { Random } from '../random'
import type { Requests } from '../server/wire'
import type { ExchangeClient, WireOrder } from './exchange-client'
import { format, Model, type ModelOrder, type ModelOutcome } from './model'

/** What a call came to: an answer, a refusal by the rules, or silence, since the server was killed. */
type Told = { readonly answer: unknown } | { readonly refused: string } | 'silence'

/** Statuses by which the rules refuse; any other means that nobody knows whether the operation was applied. */
const REFUSALS = [status.INVALID_ARGUMENT, status.FAILED_PRECONDITION, status.ALREADY_EXISTS]

async function tell(call: Promise<unknown>): Promise<Told> {
  try {
    return { answer: await call }
  } catch (error) {
    const { code } = error as ServiceError
    return REFUSALS.includes(code) ? { refused: status[code] } : 'silence'
  }
}

const USERS = 3
const PRICES = ['0.98', '0.99', '1.00', '1.01', '1.02']
const FUNDS = '1000.000000'

/**
 * A client with a market and users of its own, which does one operation after the other and knows by the plain model what
 * must come of it. So at most one operation is in doubt when the server dies, and every balance and every order has
 * exactly one or two values that it may have afterwards.
 */
export class CrashTrader {
  readonly #random: Random
  readonly #market: string
  readonly #assets: readonly [base: string, quote: string]
  readonly #operations: Operation[] = []
  #model: Model
  #firstUser = 0
  #businessId = 0
  /** Ids that the server gave, by the model's. */
  readonly #ids = new Map<number, string>()
  readonly #createTimes = new Map<string, number>()
  #inDoubt: Operation | undefined
  /** Operations that were answered. */
  answered = 0

  constructor(
    base: string,
    seed: number,
    private readonly given: Set<string>,
  ) {
    this.#random = Random.seeded(seed)
    this.#market = `${base}_USDT`
    this.#assets = [base, 'USDT']
    this.#model = this.#newModel()
  }

  #newModel(): Model {
    return new Model([this.#market], this.#assets)
  }

  /** Registers the users, on a server that nobody kills yet and that others do not register at. */
  async begin(client: ExchangeClient): Promise<void> {
    for (let user = 1; user <= USERS; user++) {
      const id = await client.user()
      if (user === 1) this.#firstUser = id
      this.#keep(this.#operation('register_user', {}))
      for (const asset of this.#assets) await this.#step(client, this.#update(user, asset, FUNDS))
    }
  }

  /** Trades until the server is silent. */
  async run(client: ExchangeClient, onAnswer: () => void): Promise<void> {
    while (await this.#step(client, this.#draw())) {
      this.answered++
      onAnswer()
    }
  }

  /** False if the server was silent. */
  async #step(client: ExchangeClient, operation: Operation): Promise<boolean> {
    const told = await tell(this.#send(client, operation))
    if (told === 'silence') {
      this.#inDoubt = operation
      return false
    }
    this.#compare(told, this.#keep(operation), operation)
    return true
  }

  #keep(operation: Operation): ModelOutcome {
    this.#operations.push(operation)
    return this.#model.apply(operation)
  }

  #compare(told: Exclude<Told, 'silence'>, expected: ModelOutcome, operation: Operation): void {
    if ('refused' in told || 'refused' in expected) {
      expect([operation, told]).toEqual([operation, expected])
    } else if ('order' in expected) {
      const order = told.answer as WireOrder
      expect(shown(order)).toEqual(shownModel(expected.order))
      if (operation.method === 'order_put') this.#newOrder(expected.order.id, order)
    } else {
      expect(told.answer).toMatchObject(expected)
    }
  }

  #newOrder(modelId: number, { id, create_time }: WireOrder): void {
    if (this.given.has(id)) throw new Error(`order id ${id} was given twice`)
    this.given.add(id)
    this.#ids.set(modelId, id)
    this.#createTimes.set(id, create_time)
  }

  /** After a restart: the state is the model's, with or without what was in doubt. */
  async check(client: ExchangeClient): Promise<void> {
    const found = await this.#read(client)
    const inDoubt = this.#inDoubt
    this.#inDoubt = undefined
    if (inDoubt !== undefined && !same(found.state, this.#expected())) {
      this.#model = this.#newModel()
      for (const operation of this.#operations) this.#model.apply(operation)
      this.#keep(inDoubt)
    }
    expect(found.state).toEqual(this.#expected())
    const expectedOrders = this.#restingByUser().flat()
    for (const [i, order] of found.orders.entries()) {
      const modelId = expectedOrders[i].id
      if (this.#ids.has(modelId)) {
        expect([order.id, order.create_time]).toEqual([this.#ids.get(modelId), this.#createTimes.get(order.id)])
      } else this.#newOrder(modelId, order)
    }
  }

  #restingByUser(): ModelOrder[][] {
    return users().map((user) => this.#model.orders.filter((order) => order.user === user).sort((a, b) => a.id - b.id))
  }

  #expected(): object {
    const model = this.#model
    return {
      balances: users().map((user) =>
        this.#assets.map((asset) => [format(model.available(user, asset), 6), format(model.frozen(user, asset), 6)]),
      ),
      orders: this.#restingByUser().map((orders) => orders.map(shownModel)),
      trades: String(model.tradeId),
    }
  }

  async #read(client: ExchangeClient): Promise<{ state: object; orders: WireOrder[] }> {
    const market = this.#market
    const balances = []
    const orders = []
    for (const user of users()) {
      const user_id = this.#userId(user)
      const answer = await client.call('BalanceQuery', { user_id, assets: [...this.#assets] })
      balances.push(answer.balances.map(({ available, frozen }) => [available, frozen]))
      orders.push((await client.call('OrderQuery', { user_id, market, limit: 1000 })).orders.toReversed())
    }
    const { market_summaries } = await client.call('MarketSummary', { markets: [market] })
    const state = { balances, orders: orders.map((list) => list.map(shown)), trades: market_summaries[0].trade_count }
    return { state, orders: orders.flat() }
  }

  #userId(user: number): number {
    return this.#firstUser + user - 1
  }

  #send(client: ExchangeClient, { method, params }: Operation): Promise<unknown> {
    switch (method) {
      case 'order_put':
        return client.call('OrderPut', { ...params, user_id: this.#userId(params.user_id) })
      case 'order_cancel': {
        const order_id = this.#ids.get(params.order_id as number) ?? '0'
        return client.call('OrderCancel', { ...params, user_id: this.#userId(params.user_id), order_id })
      }
      case 'order_cancel_all':
        return client.call('OrderCancelAll', { ...params, user_id: this.#userId(params.user_id) })
      case 'balance_update': {
        const business_id = String(params.business_id)
        return client.call('BalanceUpdate', { ...params, user_id: this.#userId(params.user_id), business_id })
      }
      case 'transfer':
        return client.call('Transfer', { ...params, from: this.#userId(params.from), to: this.#userId(params.to) })
      case 'register_user':
        throw new Error('users are registered at the beginning')
    }
  }

  #draw(): Operation {
    const random = this.#random
    const user = random.between(1, USERS)
    const market = this.#market
    const kind = random.below(20)
    if (kind < 13) return this.#operation('order_put', this.#drawOrder(user))
    if (kind < 16) {
      const { orders } = this.#model
      const order = orders.length === 0 ? undefined : orders[random.below(orders.length)]
      // Now and then somebody else's, or one that is none.
      const user_id = order === undefined || random.below(5) === 0 ? user : order.user
      return this.#operation('order_cancel', { user_id, market, order_id: order?.id ?? 0 })
    }
    if (kind < 17) return this.#operation('order_cancel_all', { user_id: user, market })
    const asset = this.#assets[random.below(2)]
    const amount = format(BigInt(random.between(1, 50_000_000)), 6)
    if (kind < 18) {
      return this.#operation('transfer', { from: user, to: random.between(1, USERS), asset, delta: amount })
    }
    if (kind < 19) return this.#update(user, asset, random.below(3) === 0 ? `-${amount}` : amount)
    return this.#again() ?? this.#update(user, asset, amount)
  }

  #drawOrder(user: number): object {
    const random = this.#random
    return {
      ...{ user_id: user, market: this.#market, order_type: 'LIMIT', post_only: random.below(8) === 0 },
      order_side: random.below(2) === 0 ? 'ASK' : 'BID',
      amount: format(BigInt(random.between(10, 200_000)) * 100n, 4),
      price: PRICES[random.below(PRICES.length)],
    }
  }

  /** A balance update that was made before, and must not be made again. */
  #again(): Operation | undefined {
    const updates = this.#operations.filter(({ method }) => method === 'balance_update')
    return updates[this.#random.below(updates.length)]
  }

  #update(user_id: number, asset: string, delta: string): Operation {
    this.#businessId++
    return this.#operation('balance_update', { user_id, asset, business: 'b', business_id: this.#businessId, delta })
  }

  #operation(method: Operation['method'], params: object): Operation {
    return { id: BigInt(this.#operations.length + 1), time: 0, method, params } as Operation
  }
}

const users = (): number[] => Array.from({ length: USERS }, (_, i) => i + 1)

function shown({ order_side, price, amount, remain, finished_quote, post_only }: WireOrder): object {
  return { order_side, price, amount, remain, finished_quote, post_only }
}

function shownModel({ side, price, amount, remain, quote, postOnly }: ModelOrder): object {
  return {
    ...{ order_side: side, price: format(price, 2), amount: format(amount, 4), remain: format(remain, 4) },
    ...{ finished_quote: format(quote, 6), post_only: postOnly },
  }
}

function same(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

const STORM_CALLS = 32

/** A client with many calls at the same time: deposits of one unit, each of which must be made exactly once. */
export class CrashDepositor {
  #user = 0
  #next = 0
  readonly #answered: number[] = []
  #inDoubt: number[] = []

  async begin(client: ExchangeClient): Promise<void> {
    this.#user = await client.user()
  }

  #deposit(client: ExchangeClient, id: number): Promise<Told> {
    const update = { user_id: this.#user, asset: 'YFI', business: 'storm', business_id: String(id), delta: '1' }
    return tell(client.call('BalanceUpdate', update satisfies Partial<Requests['BalanceUpdate']>))
  }

  async run(client: ExchangeClient, onAnswer: () => void): Promise<void> {
    const one = async (): Promise<void> => {
      for (;;) {
        const id = this.#next++
        const told = await this.#deposit(client, id)
        if (told === 'silence') return void this.#inDoubt.push(id)
        expect(told).toEqual({ answer: {} })
        this.#answered.push(id)
        onAnswer()
      }
    }
    await Promise.all(Array.from({ length: STORM_CALLS }, one))
  }

  async check(client: ExchangeClient): Promise<void> {
    const [available] = await client.balance(this.#user, 'YFI')
    expect(Number(available)).toBeGreaterThanOrEqual(this.#answered.length)
    for (const id of this.#inDoubt.splice(0)) {
      const told = await this.#deposit(client, id)
      if (told === 'silence') throw new Error('the server is silent though nobody has killed it')
      this.#answered.push(id)
    }
    for (const id of this.#answered.slice(-STORM_CALLS)) {
      expect(await this.#deposit(client, id)).toEqual({ refused: 'ALREADY_EXISTS' })
    }
    expect(await client.balance(this.#user, 'YFI')).toEqual([
      format(BigInt(this.#answered.length) * 1_000_000n, 6),
      '0.000000',
    ])
  }
}
