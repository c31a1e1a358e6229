import { type Group, Pending } from '../../src/oplog/pending'

interface Batch {
  readonly names: string[]
}

function pendingOf(bound = { entries: 10, bytes: 1_000 }, group = { entries: 4, bytes: 100 }, lastId = 0n) {
  return new Pending<Batch>({ lastId, bound, group, newBatch: () => ({ names: [] }) })
}

function put(pending: Pending<Batch>, name: string, bytes = 1): Group<Batch> {
  const group = pending.place(bytes)
  group.batch.names.push(name)
  return group
}

function takeOne(pending: Pending<Batch>): Group<Batch> {
  const group = pending.take()
  if (group === undefined) throw new Error('nothing waits')
  return group
}

describe('Pending', () => {
  test('gives contiguous ids and gathers what arrives until a group is taken', () => {
    const pending = pendingOf(undefined, undefined, 41n)
    expect([put(pending, 'a').lastId, put(pending, 'b').lastId]).toEqual([42n, 43n])
    const first = takeOne(pending)
    put(pending, 'c')
    expect([first.firstId, first.lastId, first.entries, first.batch.names]).toEqual([42n, 43n, 2, ['a', 'b']])
    expect(takeOne(pending).batch.names).toEqual(['c'])
    expect(pending.take()).toBeUndefined()
    expect([pending.lastId, pending.durableId]).toEqual([44n, 41n])
  })

  test('opens another group at the bound of entries and of bytes; an entry larger than a group has one to itself', () => {
    const pending = pendingOf({ entries: 100, bytes: 10_000 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(pending, name)
    put(pending, 'large', 99)
    put(pending, 'huge', 500)
    put(pending, 'f')
    const groups = [takeOne(pending), takeOne(pending), takeOne(pending), takeOne(pending)]
    expect(groups.map(({ batch }) => batch.names)).toEqual([['a', 'b', 'c', 'd'], ['e', 'large'], ['huge'], ['f']])
    expect(pending.take()).toBeUndefined()
  })

  test('settles a group and those before it', async () => {
    const pending = pendingOf()
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(pending, name)
    const [first, second] = [takeOne(pending), takeOne(pending)]
    pending.settle(second)
    await Promise.all([first.durable, second.durable])
    expect([pending.durableId, pending.entries, pending.bytes]).toEqual([5n, 0, 0])
  })

  test('is full at either bound, gives no id then, and has room once a group is settled', () => {
    const pending = pendingOf({ entries: 2, bytes: 100 })
    put(pending, 'a')
    put(pending, 'b')
    expect(() => put(pending, 'c')).toThrow(expect.objectContaining({ code: 'ERR_LOG_FULL' }))
    expect(pending.lastId).toBe(2n)
    pending.settle(takeOne(pending))
    put(pending, 'larger than the bound', 150)
    expect(() => put(pending, 'd')).toThrow(expect.objectContaining({ code: 'ERR_LOG_FULL' }))
  })

  test('wakes those who wait for room in their order, and no more of them than there is room for', async () => {
    const pending = pendingOf({ entries: 2, bytes: 1_000 }, { entries: 1, bytes: 1_000 })
    put(pending, 'a')
    put(pending, 'b')
    const order: string[] = []
    const waiting = ['c', 'd', 'e'].map(async (name) => {
      await (async () => pending.ready())() // Behind a wrapper, as real callers are.
      put(pending, name)
      order.push(name)
    })
    pending.settle(takeOne(pending))
    await waiting[0]
    await new Promise(setImmediate)
    expect(order).toEqual(['c'])
    pending.settle(takeOne(pending))
    pending.settle(takeOne(pending))
    await Promise.all(waiting)
    expect(order).toEqual(['c', 'd', 'e'])
  })

  test('until() resolves with the group that holds the position, and refuses a position that was never given', async () => {
    const pending = pendingOf(undefined, { entries: 1, bytes: 10 })
    put(pending, 'a')
    put(pending, 'b')
    let second = false
    const untilSecond = pending.until(2n).then(() => (second = true))
    pending.settle(takeOne(pending))
    await pending.until(1n)
    await new Promise(setImmediate)
    expect(second).toBe(false)
    pending.settle(takeOne(pending))
    await untilSecond
    await expect(pending.until(3n)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  test('a failure rejects all that waits and all that follows, and the first one stands', async () => {
    const pending = pendingOf({ entries: 2, bytes: 10 }, { entries: 1, bytes: 10 })
    const [first, second] = [put(pending, 'a'), put(pending, 'b')]
    const taken = takeOne(pending)
    const ready = pending.ready()
    const error = new Error('the disk is gone')
    pending.fail(error)
    pending.fail(new Error('later'))
    pending.settle(taken)
    for (const promise of [first.durable, second.durable, ready, pending.ready(), pending.until(2n)]) {
      await expect(promise).rejects.toBe(error)
    }
    expect(() => put(pending, 'c')).toThrow(error)
    expect([pending.durableId, pending.failure]).toEqual([0n, error])
  })

  test('a rejection that nobody listens to does not end the process', async () => {
    const heard: unknown[] = []
    const hear = (error: unknown): unknown => heard.push(error)
    process.on('unhandledRejection', hear)
    const pending = pendingOf()
    put(pending, 'a')
    pending.fail(new Error('unheard'))
    await new Promise(setImmediate)
    process.off('unhandledRejection', hear)
    expect(heard).toEqual([])
  })
})
