import { parseDecimal } from '../decimal'
import { MARKETS } from '../markets'
import type { Requests } from '../server/wire'
import type { Outcome } from './client'

/*
 * What an answer has to be. Each check returns what is wrong in words, or undefined. The texts that a server sends are
 * compared by value: 1.5 and 1.5000 are the same amount.
 */

/** What was asked of a server, and how it has to end. */
export type Check<R> = (response: R) => string | undefined

type Response = Outcome['response']

export const ASSET_DIGITS = 6
const { amountPrecision: AMOUNT_DIGITS, pricePrecision: PRICE_DIGITS } = MARKETS[0]

/** Units of a decimal, NaN for what is none. */
function units(text: unknown, digits: number): number {
  try {
    return parseDecimal(text, digits, 'decimal')
  } catch {
    return NaN
  }
}

/** The response if the status is one of those, else what came instead. */
export function unexpected(rpc: string, { status, details }: Outcome, ...expected: string[]): string | undefined {
  if (expected.includes(status)) return undefined
  return `${rpc} ended with ${status} (${details}) instead of ${expected.join(' or ')}`
}

function echoes(rpc: string, response: Response, asked: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(asked)) {
    if (response[name] !== value) return `${rpc}: ${name} is ${String(response[name])}, asked was ${String(value)}`
  }
  return undefined
}

type Order = Pick<Requests['OrderPut'], 'user_id' | 'market' | 'order_side' | 'amount' | 'price'>

/** An order as answered to OrderPut: the fields that were sent, and figures that fit each other. */
export function checkPut(response: Response, { amount, price, ...asked }: Order): string | undefined {
  const echo = echoes('OrderPut', response, { ...asked, order_type: 'LIMIT', post_only: false })
  if (echo !== undefined) return echo
  if (units(response.price, PRICE_DIGITS) !== units(price, PRICE_DIGITS)) return `OrderPut: the price is another one`
  if (units(response.amount, AMOUNT_DIGITS) !== units(amount, AMOUNT_DIGITS)) return `OrderPut: another amount`
  return checkFigures('OrderPut', response)
}

/** What holds of every order: what is left and what is done are its amount, and no update is before its creation. */
function checkFigures(rpc: string, response: Response): string | undefined {
  const amount = units(response.amount, AMOUNT_DIGITS)
  const remain = units(response.remain, AMOUNT_DIGITS)
  const done = units(response.finished_base, AMOUNT_DIGITS)
  const order = `${rpc}: order ${String(response.id)}`
  if (!(remain >= 0 && done >= 0 && remain + done === amount))
    return `${order}: ${remain} left + ${done} done ≠ ${amount}`
  if (!(units(response.finished_quote, ASSET_DIGITS) >= 0)) return `${order}: the quote traded is no amount`
  const { create_time: created, update_time: updated } = response as Record<string, number>
  if (!(created > 0 && updated >= created)) return `${order}: created at ${created}, updated at ${updated}`
  return undefined
}

/** An order as answered to OrderCancel and OrderDetail. */
export function checkOrder(rpc: string, response: Response, asked: { id: number; userId: number; market: string }) {
  const { id, userId: user_id, market } = asked
  return echoes(rpc, response, { id: String(id), user_id, market }) ?? checkFigures(rpc, response)
}

interface Balance {
  readonly asset_id: string
  readonly available: string
  readonly frozen: string
}

/** Balances of the assets that were asked for: none is missing, none is negative. */
export function checkBalances({ balances }: Response, assets: readonly string[]): string | undefined {
  const list = balances as readonly Balance[]
  const got = list.map(({ asset_id }) => asset_id).join()
  if (got !== assets.join()) return `BalanceQuery: asked for ${assets.join()}, got ${got}`
  const bad = list.find(
    ({ available, frozen }) => !(units(available, ASSET_DIGITS) >= 0 && units(frozen, ASSET_DIGITS) >= 0),
  )
  return bad === undefined ? undefined : `BalanceQuery: a balance is negative: ${JSON.stringify(bad)}`
}

interface Level {
  readonly price: string
  readonly amount: string
}

/** Both sides of a book from the best price on, not crossed, nothing empty, no more levels than asked for. */
export function checkDepth(response: Response, limit: number): string | undefined {
  const [asks, bids] = [response.asks, response.bids].map((side) => side as readonly Level[])
  if (asks.length > limit || bids.length > limit) return `OrderBookDepth: more than ${limit} levels`
  if ([...asks, ...bids].some(({ amount }) => !(units(amount, AMOUNT_DIGITS) > 0)))
    return 'OrderBookDepth: an empty level'
  const prices = [...bids.toReversed(), ...asks].map(({ price }) => units(price, PRICE_DIGITS))
  const sorted = prices.every((price, i) => price > 0 && (i === 0 || price > prices[i - 1]))
  return sorted ? undefined : `OrderBookDepth: prices out of order or crossed: ${prices.join(' ')}`
}

/** Orders of one user in one market, newest first. */
export function checkList(response: Response, { user_id, market, limit }: Requests['OrderQuery']): string | undefined {
  const orders = response.orders as readonly Response[]
  if (orders.length > limit || orders.length > Number(response.total)) return 'OrderQuery: more orders than there are'
  const others = orders.find((order) => order.user_id !== user_id || order.market !== market)
  if (others !== undefined) return `OrderQuery: order ${String(others.id)} is of another user or market`
  const ids = orders.map(({ id }) => Number(id))
  if (ids.some((id, i) => i > 0 && id >= ids[i - 1])) return `OrderQuery: not the newest first: ${ids.join(' ')}`
  return orders.map((order) => checkFigures('OrderQuery', order)).find((wrong) => wrong !== undefined)
}

/** A transfer between two users of whom the first has enough. */
export function checkTransfer(response: Response, { asset }: { readonly asset: string }): string | undefined {
  const echo = echoes('Transfer', response, { success: true, asset })
  if (echo !== undefined) return echo
  return units(response.balance_from, ASSET_DIGITS) >= 0 ? undefined : 'Transfer: the balance is negative'
}
