import fc from 'fast-check'
import { Engine, STATE_KINDS } from '../engine'
import { insertNode, removeNode } from '../level-tree'
import type { TreeNode } from '../level-tree'
import type { Order, OrderSide } from '../order'
import { BookSide, Level } from '../order-book'
import { User } from '../user'

/** Checks order and balance of a tree; returns its height. Plain comparisons, since it runs for every node of every step. */
function checkTree(node: Level | null, low = -Infinity, high = Infinity): number {
  if (node === null) return 0
  const [left, right] = [checkTree(node.left, low, node.rank), checkTree(node.right, node.rank, high)]
  const height = 1 + Math.max(left, right)
  const sound = node.rank > low && node.rank < high && Math.abs(left - right) <= 1 && node.height === height
  if (!sound) throw new Error(`the tree is unordered or out of balance at rank ${node.rank}`)
  return height
}

function ranks(node: TreeNode<Level> | null): number[] {
  return node === null ? [] : [...ranks(node.left), node.rank, ...ranks(node.right)]
}

describe('the tree of levels', () => {
  it('stays ordered and balanced whatever is added and removed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 300, size: 'max' }), (keys) => {
        const known = new Map<number, Level>()
        let root: Level | null = null
        for (const key of keys) {
          const level = known.get(key)
          if (level === undefined) known.set(key, new Level(key, key))
          else known.delete(key)
          root = level === undefined ? insertNode(root, known.get(key) as Level) : removeNode(root, level)
          checkTree(root)
        }
        expect(ranks(root)).toEqual([...known.keys()].sort((a, b) => a - b))
      }),
    )
  })

  it('is not made deep by prices that only rise', () => {
    let root: Level | null = null
    for (let key = 0; key < 10_000; key++) root = insertNode(root, new Level(key, key))
    expect(checkTree(root)).toBeLessThanOrEqual(16)
  })

  it('says so when a level is not in it', () => {
    expect(() => removeNode<Level>(null, new Level(1, 1))).toThrow(/not in the tree/)
  })
})

describe.each(STATE_KINDS)('a side of the book with orders in the %s', (state) => {
  const engine = new Engine({ state })
  const market = engine.market('ETH_USDT')
  const user = new User(1, '', '', engine.orders)
  engine.users.push(user)
  const order = (id: number, side: OrderSide, price: number, amount: number) =>
    engine.orders.make(id, market, user, side, 'LIMIT', price, amount, false, '', 0)

  it.each(['ASK', 'BID'] as const)('%s: levels, orders and totals are those of a plain list', (side) => {
    const step = fc.record({
      price: fc.integer({ min: 1, max: 12 }),
      amount: fc.integer({ min: 1, max: 9 }),
      pick: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.boolean(), (steps, backwards) => {
        const book = new BookSide(side, engine.orders)
        let plain: Order[] = []
        steps.forEach(({ price, amount, pick }, i) => {
          const chosen = plain[pick % (plain.length || 1)]
          if (pick % 3 === 0 && chosen !== undefined) {
            book.remove(chosen)
            plain = plain.filter((one) => one !== chosen)
          } else {
            const added = order(backwards ? 1_000 - i : i, side, price, amount)
            engine.orders.insert(added)
            book.add(added)
            plain.push(added)
          }
        })
        const sign = side === 'ASK' ? 1 : -1
        plain.sort((a, b) => sign * (a.price - b.price) || a.id - b.id)
        expect([...book].map(({ id }) => id)).toEqual(plain.map(({ id }) => id))
        expect(book.count).toBe(plain.length)
        expect([...book.levels()].map(({ price, count, amount }) => [price, count, amount])).toEqual(levelsOf(plain))
      }),
    )
  })

  it('refuses to remove or reduce what does not rest', () => {
    const book = new BookSide('ASK', engine.orders)
    expect(() => book.remove(order(1, 'ASK', 1, 1))).toThrow(/not in a book/)
    expect(() => book.reduce(order(1, 'ASK', 1, 1), 1)).toThrow(/not in a book/)
  })
})

/** Price, number of orders and amount of each level of sorted orders. */
function levelsOf(orders: readonly Order[]): number[][] {
  const levels: [number, number, number][] = []
  for (const { price, remain } of orders) {
    const last = levels.at(-1)
    if (last === undefined || last[0] !== price) levels.push([price, 1, remain])
    else {
      last[1]++
      last[2] += remain
    }
  }
  return levels
}
