import { formatDecimal } from '../decimal'
import { MARKETS, type MarketConfig } from '../markets'
import type { Random } from '../random'
import type { Requests } from '../server/wire'

/** Price around which each market trades, in whole units of quote. */
const MIDDLE_PRICES: Readonly<Record<string, number>> = { ETH: 2000, UNI: 10, LINK: 15, MATIC: 1 }
/** Orders rest at most this far from the middle price, and those that cross take whatever is within. */
const SPREAD = 0.3
/** Value of one order, in whole units of quote. */
const VALUE_MIN = 5
const VALUE_MAX = 25
/** What a user is given of each asset, by value: orders of this size cannot use it up within an hour. */
export const FUNDS_VALUE = 100_000

export const QUOTE = 'USDT'

export type PutRequest = Pick<
  Requests['OrderPut'],
  'user_id' | 'market' | 'order_side' | 'order_type' | 'amount' | 'price'
>

function middlePrice({ base, pricePrecision }: MarketConfig): number {
  return Math.round((MIDDLE_PRICES[base] ?? 10) * 10 ** pricePrecision)
}

/** Assets that a user needs for all markets, with an amount of each. */
export function startingFunds(): ReadonlyMap<string, string> {
  const funds = new Map([[QUOTE, `${FUNDS_VALUE * MARKETS.length}`]])
  for (const { base } of MARKETS) funds.set(base, `${Math.round(FUNDS_VALUE / (MIDDLE_PRICES[base] ?? 10))}`)
  return funds
}

/** An order that most likely stays in its book: bids below the middle price, asks above. */
export function restingOrder(random: Random, userId: number): PutRequest {
  const market = anyMarket(random)
  const middle = middlePrice(market)
  const distance = 1 + Math.floor(random.fraction() * random.fraction() * middle * SPREAD)
  return orderAt(random, market, userId, anySide(random), -distance)
}

/** An order that takes the best of the other side, whatever that is. */
export function crossingOrder(random: Random, userId: number): PutRequest {
  const market = anyMarket(random)
  return orderAt(random, market, userId, anySide(random), Math.floor(middlePrice(market) * SPREAD))
}

/** `towards`: how far beyond the middle price, seen from its own side of the book. */
function orderAt(
  random: Random,
  market: MarketConfig,
  userId: number,
  side: 'ASK' | 'BID',
  towards: number,
): PutRequest {
  const { name, amountPrecision, pricePrecision } = market
  const middle = middlePrice(market)
  const value = random.between(VALUE_MIN * 100, VALUE_MAX * 100) / 100
  const amount = Math.floor((value * 10 ** (amountPrecision + pricePrecision)) / middle)
  return {
    user_id: userId,
    market: name,
    order_side: side,
    order_type: 'LIMIT',
    amount: formatDecimal(Math.max(10, amount), amountPrecision),
    price: formatDecimal(side === 'BID' ? middle + towards : middle - towards, pricePrecision),
  }
}

function anyMarket(random: Random): MarketConfig {
  return MARKETS[random.below(MARKETS.length)]
}

function anySide(random: Random): 'ASK' | 'BID' {
  return random.below(2) === 0 ? 'ASK' : 'BID'
}
