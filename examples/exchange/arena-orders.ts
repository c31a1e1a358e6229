import { Arena, type ArenaTable, type SliceWriter } from 'forksnap'
import type { BlobSink } from '../../src/slice/types'
import type { Market } from './market'
import { Order } from './order'
import type { OrderSide, OrderType } from './order'
import type { Level } from './order-book'
import type { LevelFinder, OrderStore } from './order-store'
import type { User } from './user'

/**
 * The columns of a resting order. Ids, times, prices and amounts are whole numbers within 2^53, which a double holds
 * exactly, and so does the engine; a bigint, as 64-bit integers read, would be an object for each. Links are 1 more than
 * the number of a row, 0 for none.
 */
const SCHEMA = {
  id: 'f64',
  price: 'f64',
  amount: 'f64',
  remain: 'f64',
  finished_quote: 'f64',
  create_time: 'f64',
  update_time: 'f64',
  user_id: 'u32',
  older: 'u32',
  newer: 'u32',
  next_in_chain: 'u32',
  market: 'u16',
  flags: 'u8',
} as const

type OrderTable = ArenaTable<typeof SCHEMA>

/** Bits of the column `flags`. */
const BID = 1
const POST_ONLY = 2
const SIGNED = 4

const USER_ID_MAX = 2 ** 32 - 1
const MARKETS_MAX = 2 ** 16

/** Address space of a region; memory is taken as rows are. */
const REGION_BYTES = 256 * 2 ** 20
/** The columns of so many rows are 5 MB. */
const CHUNK_ROWS = 2 ** 16

/** Name of the blob in a slice. */
export const ORDER_TABLE = 'order_table'

/** What the rows name by number. */
export interface OrderOwners {
  /** User `id` stands at `id - 1`. */
  readonly users: readonly User[]
  /** By index. */
  readonly marketList: readonly Market[]
}

/** A copy of a row, or an order that may become one. */
export class RowOrder extends Order {
  /** Negative while it does not rest. */
  row = -1
}

/** Orders are rows of a table outside of V8's heap, in huge pages; a slice writes it as it is. */
export class ArenaOrders implements OrderStore {
  private readonly table: OrderTable
  private readonly columns: OrderTable['columns']
  /** By row. A text has no fixed length, so those of signed orders stay on the heap. */
  private readonly signatures = new Map<number, string>()

  /** Throws what `new Arena` throws. */
  constructor(private readonly owners: OrderOwners) {
    this.table = new Arena({ bytes: REGION_BYTES }).table(SCHEMA, { chunkRows: CHUNK_ROWS })
    this.columns = this.table.columns
  }

  /** Orders that rest. */
  get length(): number {
    return this.table.length
  }

  make(
    id: number,
    market: Market,
    user: User,
    side: OrderSide,
    type: OrderType,
    price: number,
    amount: number,
    postOnly: boolean,
    signature: string,
    createTime: number,
  ): RowOrder {
    return new RowOrder(id, market, user, side, type, price, amount, postOnly, signature, createTime)
  }

  /** Throws a RangeError for what the columns cannot hold, and what `ArenaTable.insert` throws. */
  insert(order: RowOrder): void {
    checkFits(order)
    const { columns } = this
    const row = this.table.insert()
    columns.id.set(row, order.id)
    columns.price.set(row, order.price)
    columns.amount.set(row, order.amount)
    columns.remain.set(row, order.remain)
    columns.finished_quote.set(row, order.finishedQuote)
    columns.create_time.set(row, order.createTime)
    columns.update_time.set(row, order.updateTime)
    columns.user_id.set(row, order.user.id)
    columns.market.set(row, order.market.index)
    columns.flags.set(row, flagsOf(order))
    if (order.signature !== '') this.signatures.set(row, order.signature)
    order.row = row
  }

  remove(order: RowOrder): void {
    if (order.signature !== '') this.signatures.delete(order.row)
    this.table.remove(order.row)
    order.row = -1
  }

  changed(order: RowOrder): void {
    const { columns } = this
    columns.remain.set(order.row, order.remain)
    columns.finished_quote.set(order.row, order.finishedQuote)
    columns.update_time.set(order.row, order.updateTime)
  }

  ref(order: RowOrder): number {
    return order.row
  }

  get(row: number): RowOrder {
    const { columns, owners } = this
    const flags = columns.flags.get(row)
    const order = new RowOrder(
      columns.id.get(row),
      owners.marketList[columns.market.get(row)],
      owners.users[columns.user_id.get(row) - 1],
      (flags & BID) === 0 ? 'ASK' : 'BID',
      'LIMIT',
      columns.price.get(row),
      columns.amount.get(row),
      (flags & POST_ONLY) !== 0,
      (flags & SIGNED) === 0 ? '' : (this.signatures.get(row) ?? ''),
      columns.create_time.get(row),
    )
    order.remain = columns.remain.get(row)
    order.finishedQuote = columns.finished_quote.get(row)
    order.updateTime = columns.update_time.get(row)
    order.row = row
    return order
  }

  list(rows: readonly number[]): readonly RowOrder[] {
    return rows.map((row) => this.get(row))
  }

  id(row: number): number {
    return this.columns.id.get(row)
  }

  older(row: number): number | null {
    return rowOf(this.columns.older.get(row))
  }

  newer(row: number): number | null {
    return rowOf(this.columns.newer.get(row))
  }

  setOlder(row: number, older: number | null): void {
    this.columns.older.set(row, linkTo(older))
  }

  setNewer(row: number, newer: number | null): void {
    this.columns.newer.set(row, linkTo(newer))
  }

  nextInChain(row: number): number | null {
    return rowOf(this.columns.next_in_chain.get(row))
  }

  setNextInChain(row: number, next: number | null): void {
    this.columns.next_in_chain.set(row, linkTo(next))
  }

  /** Levels are few: they stay on the heap and are found by their price. */
  levelOf(order: RowOrder, side: LevelFinder): Level | null {
    return order.row < 0 ? null : side.levelAt(order.price)
  }

  setLevel(): void {
    // An order's price names its level.
  }

  dispose(): void {
    this.signatures.clear()
    this.table.clear()
  }

  /** In a forked child, which cannot read the orders afterwards. */
  write(slice: SliceWriter): void {
    this.table.write(slice, ORDER_TABLE, { giveBack: true })
  }

  /** Takes the rows of a slice. Books, index and users know nothing of them yet. */
  pieces(bytes: number): BlobSink {
    return this.table.pieces(bytes)
  }

  /** Ids and texts of the orders that have one. */
  *signed(): Generator<{ readonly id: number; readonly signature: string }, void, undefined> {
    for (const [row, signature] of this.signatures) yield { id: this.id(row), signature }
  }

  /** The text that a restored order was signed with. Throws a RangeError if there is one too few or too many. */
  restoreSignature(row: number, signature: string | undefined): void {
    const isSigned = (this.columns.flags.get(row) & SIGNED) !== 0
    if (isSigned === (signature === undefined)) throw new RangeError(`order ${this.id(row)}: its signature is wrong`)
    if (signature !== undefined) this.signatures.set(row, signature)
  }

  /**
   * All rows, those of each level from the oldest to the newest, which is how a book takes them in the shortest time. What
   * their links say is void from then on: they are to be drawn anew. Throws a RangeError for links that no book has drawn.
   */
  *unlinked(): Generator<number, void, undefined> {
    let seen = 0
    for (const first of this.table.rows()) {
      if (this.older(first) !== null) continue
      for (let row: number | null = first; row !== null; seen++) {
        if (!this.table.has(row) || seen > this.length)
          throw new RangeError(`order_table: row ${row} is linked wrongly`)
        const next: number | null = this.newer(row)
        this.setNewer(row, null)
        this.setNextInChain(row, null)
        yield row
        row = next
      }
    }
    if (seen !== this.length) throw new RangeError(`order_table: ${this.length - seen} rows are linked wrongly`)
  }
}

function checkFits({ id, user, market, type }: Order): void {
  if (user.id > USER_ID_MAX) throw new RangeError(`order ${id}: an arena holds user ids up to ${USER_ID_MAX}`)
  if (market.index >= MARKETS_MAX) throw new RangeError(`order ${id}: an arena holds orders of ${MARKETS_MAX} markets`)
  if (type !== 'LIMIT') throw new RangeError(`order ${id}: only limit orders rest`)
}

function flagsOf({ side, postOnly, signature }: Order): number {
  return (side === 'BID' ? BID : 0) | (postOnly ? POST_ONLY : 0) | (signature === '' ? 0 : SIGNED)
}

function rowOf(link: number): number | null {
  return link === 0 ? null : link - 1
}

function linkTo(row: number | null): number {
  return row === null ? 0 : row + 1
}
