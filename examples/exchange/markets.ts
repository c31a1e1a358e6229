import { parseDecimal, powerOfTen } from './decimal'

/** An asset as configured. */
export interface AssetConfig {
  /** Short name without `:`, at most 30 characters. */
  readonly symbol: string
  readonly name: string
  /** Digits after the point of every balance. */
  readonly precision: number
}

/** A market as configured. An amount is counted in `base`, a price in `quote` for one `base`. */
export interface MarketConfig {
  readonly name: string
  readonly base: string
  readonly quote: string
  readonly feePrecision: number
  readonly amountPrecision: number
  readonly pricePrecision: number
  /** Decimal text. */
  readonly minAmount: string
}

const asset = (symbol: string, name: string): AssetConfig => ({ symbol, name, precision: 6 })

export const ASSETS: readonly AssetConfig[] = [
  asset('ETH', 'Ether'),
  asset('USDT', 'Tether USD'),
  asset('UNI', 'Uniswap'),
  asset('LINK', 'ChainLink'),
  asset('YFI', 'yearn.finance'),
  asset('MATIC', 'Polygon'),
]

const usdtMarket = (base: string): MarketConfig => ({
  name: `${base}_USDT`,
  base,
  quote: 'USDT',
  feePrecision: 0,
  amountPrecision: 4,
  pricePrecision: 2,
  minAmount: '0.001',
})

export const MARKETS: readonly MarketConfig[] = ['ETH', 'UNI', 'LINK', 'MATIC'].map(usdtMarket)

/** An asset as the engine uses it: `index` is its place in every balance. */
export interface Asset extends AssetConfig {
  readonly index: number
}

/** What the engine derives from a market's configuration. */
export interface MarketFigures {
  readonly base: Asset
  readonly quote: Asset
  /** Smallest amount of an order, in amount units. */
  readonly minAmountUnits: number
  /** Units of the base asset in one unit of amount. */
  readonly baseUnitsPerAmount: number
  /** Units of the quote asset in one unit of amount times one unit of price. */
  readonly quoteUnitsPerValue: number
}

/** Numbers the assets. Throws a TypeError for a name that a slice or a key could not hold. */
export function indexAssets(configs: readonly AssetConfig[]): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>()
  for (const config of configs) {
    if (!/^[^:]{1,30}$/.test(config.symbol) || assets.has(config.symbol)) {
      throw new TypeError(`asset ${config.symbol}: a symbol is unique and has 1 to 30 characters, none of them ":"`)
    }
    assets.set(config.symbol, { ...config, index: assets.size })
  }
  return assets
}

/** Throws a TypeError for a market whose products would need more digits than its quote asset has. */
export function marketFigures(config: MarketConfig, assets: ReadonlyMap<string, Asset>): MarketFigures {
  const base = assets.get(config.base)
  const quote = assets.get(config.quote)
  if (!base || !quote || base === quote) throw new TypeError(`market ${config.name}: base and quote must be two assets`)
  if (config.name.length > 30) throw new TypeError(`market ${config.name}: a name has at most 30 characters`)
  const baseDigits = base.precision - config.amountPrecision
  const quoteDigits = quote.precision - config.amountPrecision - config.pricePrecision
  if (baseDigits < 0 || quoteDigits < 0) {
    throw new TypeError(`market ${config.name}: its precisions need more digits than its assets have; lower them`)
  }
  return {
    base,
    quote,
    minAmountUnits: parseDecimal(config.minAmount, config.amountPrecision, `${config.name} minimum amount`),
    baseUnitsPerAmount: powerOfTen(baseDigits),
    quoteUnitsPerValue: powerOfTen(quoteDigits),
  }
}
