import fc from 'fast-check'
import { Engine, STATE_KINDS } from '../engine'
import type { Order } from '../order'
import { OrderIndex } from '../order-index'
import { User } from '../user'

/** Ids among which many share a chain: they are multiples of a million, as the table counts it, apart. */
const id = fc.tuple(fc.constantFrom(1, 2, 1023, 1024, 1025, 2 ** 20 - 1), fc.nat({ max: 3 })).map(([first, turns]) => {
  return first + turns * 2 ** 20
})

describe.each(STATE_KINDS)('OrderIndex of orders in the %s', (state) => {
  const { orders, marketList, users } = new Engine({ state })
  const user = new User(1, '', '', orders)
  users.push(user)

  function order(id: number): Order {
    const made = orders.make(id, marketList[0], user, 'ASK', 'LIMIT', 1, 1, false, '', 0)
    orders.insert(made)
    return made
  }

  it('holds what a Map would hold, chains of several orders included', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), id), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (all) => {
        const index = new OrderIndex(orders)
        const model = new Map<number, Order>()
        for (const [adds, one] of all) {
          const known = model.get(one)
          expect(index.get(one)?.id).toBe(known?.id)
          if (!adds) {
            index.remove(known ?? order(one))
            model.delete(one)
          } else if (known === undefined) {
            const added = order(one)
            index.add(added)
            model.set(one, added)
          } else {
            expect(() => index.add(order(one))).toThrow(`order ${one} is there twice`)
          }
          expect(index.size).toBe(model.size)
        }
        for (const [one, expected] of model) expect(index.get(one)?.id).toBe(expected.id)
      }),
    )
  })

  it('knows no order of an id that was never given', () => {
    const index = new OrderIndex(orders)
    index.add(order(5))
    for (const other of [0, 4, 6, 5 + 2 ** 20, Number.MAX_SAFE_INTEGER]) expect(index.get(other)).toBeUndefined()
  })
})
