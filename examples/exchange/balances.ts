import { UNITS_MAX } from './decimal'

/** How many users share one page of numbers. */
const PAGE_USERS = 1024

/**
 * What every user has of every asset, in units: `available`, and `frozen` behind resting orders. The numbers live in
 * pages of doubles, 16 bytes for a pair, so that a million users are a thousand objects and growing never copies what is
 * there. Callers check before they take; the checks in here guard the invariants and throw a RangeError if the
 * engine itself is wrong.
 */
export class Balances {
  private readonly pages: Float64Array[] = []
  private readonly supplies: Float64Array

  constructor(readonly assetCount: number) {
    this.supplies = new Float64Array(assetCount)
  }

  available(userId: number, asset: number): number {
    return this.page(userId)[this.slot(userId, asset)]
  }

  frozen(userId: number, asset: number): number {
    return this.page(userId)[this.slot(userId, asset) + 1]
  }

  /** Sum of all balances of an asset, available and frozen. */
  supply(asset: number): number {
    return this.supplies[asset]
  }

  /** Whether `units` more of an asset may come in without passing the bound of its supply. */
  canDeposit(asset: number, units: number): boolean {
    return this.supply(asset) + units <= UNITS_MAX
  }

  /** Brings units in from outside, or takes them out when negative. */
  deposit(userId: number, asset: number, units: number): void {
    this.changeSupply(asset, units)
    this.addAvailable(userId, asset, units)
  }

  /** Adds to what is available, or takes from it when negative; the supply stays, somebody else has the difference. */
  addAvailable(userId: number, asset: number, units: number): void {
    this.add(userId, this.slot(userId, asset), units)
  }

  /** Moves units from available to frozen, or back when negative. */
  freeze(userId: number, asset: number, units: number): void {
    const slot = this.slot(userId, asset)
    this.add(userId, slot, -units)
    this.add(userId, slot + 1, units)
  }

  /** Takes frozen units away: a trade has spent them. */
  spendFrozen(userId: number, asset: number, units: number): void {
    this.add(userId, this.slot(userId, asset) + 1, -units)
  }

  /** Sets a balance that was never set, from a slice. */
  restore(userId: number, asset: number, kind: 'available' | 'frozen', units: number): void {
    const slot = this.slot(userId, asset) + (kind === 'frozen' ? 1 : 0)
    if (this.page(userId)[slot] !== 0) throw new RangeError(`balance of user ${userId} restored twice`)
    this.changeSupply(asset, units)
    this.add(userId, slot, units)
  }

  private changeSupply(asset: number, units: number): void {
    const supply = this.supply(asset) + units
    if (!Number.isSafeInteger(units) || supply < 0 || supply > UNITS_MAX) {
      throw new RangeError(`supply of asset ${asset} would leave 0 to ${UNITS_MAX} units`)
    }
    this.supplies[asset] = supply
  }

  private add(userId: number, slot: number, units: number): void {
    const page = this.page(userId)
    const sum = page[slot] + units
    if (!(sum >= 0 && sum <= UNITS_MAX)) throw new RangeError(`balance of user ${userId} would become ${sum} units`)
    page[slot] = sum
  }

  private slot(userId: number, asset: number): number {
    return ((userId % PAGE_USERS) * this.assetCount + asset) * 2
  }

  private page(userId: number): Float64Array {
    const number = Math.floor(userId / PAGE_USERS)
    while (this.pages.length <= number) this.pages.push(new Float64Array(PAGE_USERS * this.assetCount * 2))
    return this.pages[number]
  }
}
