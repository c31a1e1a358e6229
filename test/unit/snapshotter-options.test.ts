import { ForksnapError } from '../../src/errors'
import { resolveOptions, type SnapshotterOptions } from '../../src/options'
import type { SliceMeta } from '../../src/slice/types'
import type { SliceStore } from '../../src/store/store'

const unused = () => Promise.reject(new Error('not for this test'))
const store: SliceStore = {
  kind: 'none',
  epoch: 0n,
  start: unused,
  create: unused,
  list: unused,
  open: unused,
  remove: unused,
  beginEpoch: unused,
  prune: unused,
  close: unused,
}
const minimal = { store, write: () => undefined }

function refusal(options: unknown): string {
  try {
    resolveOptions(options as SnapshotterOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ForksnapError)
    expect((error as ForksnapError).code).toBe('ERR_INVALID_ARGUMENT')
    return (error as ForksnapError).message
  }
  throw new Error('the options were taken')
}

describe('resolveOptions', () => {
  it('fills in the documented defaults', () => {
    expect(resolveOptions(minimal)).toMatchObject({
      intervalMs: 3_600_000,
      savePoints: [],
      limits: {
        quiesceMs: 5_000,
        busyMs: 30_000,
        stallMs: 60_000,
        totalMs: 3_600_000,
        answerMs: 60_000,
        cleanupMs: 60_000,
      },
      retry: { attempts: Infinity, initialMs: 5_000, maxMs: 60_000, factor: 2 },
      warmUp: { rows: 200_000, ms: 1_000, passMs: 8 },
      stopWritesOnSaveError: true,
      deferFullGcMs: 60_000,
      progressMs: 100,
      child: {},
    })
    expect(resolveOptions(minimal).meta()).toEqual({})
  })

  it('takes undefined for the default, and false for no warm-up', () => {
    const resolved = resolveOptions({ ...minimal, limits: { stallMs: undefined }, warmUp: false } as never)
    expect(resolved.limits.stallMs).toBe(60_000)
    expect(resolved.warmUp).toBeUndefined()
  })

  it('takes the limits of every range', () => {
    const options: SnapshotterOptions = {
      ...minimal,
      intervalMs: 2 ** 31 - 1,
      savePoints: [{ seconds: 2_147_483, changes: 1 }],
      limits: { quiesceMs: 1, busyMs: 0, stallMs: 0, totalMs: 0, answerMs: 0, cleanupMs: 0 },
      retry: { attempts: 0, initialMs: 1, maxMs: 1, factor: 1 },
      warmUp: { rows: 0, ms: 0, passMs: 1 },
      child: { title: 'x', nice: 19, cpuPriority: 'idle', ioPriority: 'idle', cpus: [0], oomScoreAdj: -1000, efficiencyMode: 'auto' }, // prettier-ignore
    }
    expect(() => resolveOptions(options)).not.toThrow()
    expect(resolveOptions({ ...minimal, intervalMs: 0 }).intervalMs).toBe(0)
  })

  it('keeps `this` for write and meta', () => {
    const options = {
      ...minimal,
      orders: 3,
      meta(this: { orders: number }) {
        return { orders: this.orders }
      },
    }
    expect(() => resolveOptions(options)).toThrow(/no option "orders"/)
    const { orders: _orders, ...known } = options
    const held = Object.assign(known, {}) as SnapshotterOptions & { orders?: number }
    Object.defineProperty(held, 'orders', { value: 4, enumerable: false })
    expect(resolveOptions(held).meta()).toEqual({ orders: 4 })
  })

  it.each([
    [undefined, 'options must be an object; got undefined'],
    [{ ...minimal, intervalMS: 5 }, 'options has no option "intervalMS"; it knows store, write, meta'],
    [{ write: minimal.write }, 'store must be an object; got undefined'],
    [{ ...minimal, store: { ...store, prune: 1 } }, 'store must have a method prune()'],
    [{ store }, 'write must be a function; got undefined'],
    [{ ...minimal, meta: {} }, 'meta must be a function; got an object'],
    [{ ...minimal, log: {} }, 'log must have a method sync()'],
    [{ ...minimal, intervalMs: 2 ** 31 }, 'intervalMs must be a whole number from 0 to 2147483647; got 2147483648'],
    [{ ...minimal, intervalMs: -1 }, 'intervalMs must be a whole number from 0 to 2147483647; got -1'],
    [{ ...minimal, intervalMs: NaN }, 'intervalMs must be a whole number from 0 to 2147483647; got NaN'],
    [{ ...minimal, intervalMs: '5' }, 'intervalMs must be a whole number from 0 to 2147483647; got "5"'],
    [{ ...minimal, savePoints: {} }, 'savePoints must be an array of { seconds, changes }; got an object'],
    [{ ...minimal, savePoints: [{ seconds: 0, changes: 1 }] }, 'savePoints[0].seconds must be a whole number from 1'],
    [{ ...minimal, savePoints: [{ seconds: 1, changes: 0 }] }, 'savePoints[0].changes must be a whole number from 1'],
    [{ ...minimal, savePoints: [{ seconds: 2_147_484, changes: 1 }] }, 'savePoints[0].seconds must be'],
    [{ ...minimal, limits: { stall: 1 } }, 'limits has no option "stall"; it knows quiesceMs, busyMs'],
    [{ ...minimal, limits: { stallMs: Infinity } }, 'limits.stallMs must be a whole number from 0 to 2147483647'],
    [{ ...minimal, limits: { quiesceMs: 0 } }, 'limits.quiesceMs must be a whole number from 1'],
    [{ ...minimal, retry: { initialMs: 10, maxMs: 9 } }, 'retry.maxMs must be a whole number from 10'],
    [{ ...minimal, retry: { factor: 0.5 } }, 'retry.factor must be a number from 1 to 1000; got 0.5'],
    [{ ...minimal, retry: { attempts: -1 } }, 'retry.attempts must be a whole number from 0'],
    [{ ...minimal, warmUp: true }, 'warmUp must be an object; got true'],
    [{ ...minimal, warmUp: { passMs: 0 } }, 'warmUp.passMs must be a whole number from 1'],
    [{ ...minimal, stopWritesOnSaveError: 'no' }, 'stopWritesOnSaveError must be true or false; got "no"'],
    [{ ...minimal, deferFullGcMs: -1 }, 'deferFullGcMs must be a whole number from 0'],
    [{ ...minimal, progressMs: 0 }, 'progressMs must be a whole number from 1'],
    [{ ...minimal, child: { nice: 20 } }, 'child.nice must be a whole number from 0 to 19; got 20'],
    [{ ...minimal, child: { cpuPriority: 'low' } }, 'child.cpuPriority must be \'idle\'; got "low"'],
    [{ ...minimal, child: { title: '' } }, 'child.title must be a text that is not empty; got ""'],
    [{ ...minimal, child: { cpus: [] } }, 'child.cpus must be a list of CPU numbers; got an array'],
    [{ ...minimal, child: { cpus: [0, -1] } }, 'child.cpus[1] must be a whole number from 0'],
    [{ ...minimal, child: { oomScoreAdj: 1001 } }, 'child.oomScoreAdj must be a whole number from -1000 to 1000'],
    [
      { ...minimal, child: { ioPriority: 'high' } },
      "child.ioPriority must be 'idle' or 'best-effort-low'; got \"high\"",
    ],
    [{ ...minimal, child: { coreDump: 1 } }, 'child.coreDump must be true or false; got 1'],
  ])('refuses %j', (options, message) => {
    expect(refusal(options)).toContain(message)
  })
})

describe('the types of write and meta', () => {
  it('make an async function a compile error', () => {
    const take = <M extends SliceMeta>(options: SnapshotterOptions<M>) => options
    // @ts-expect-error A promise is not undefined.
    take({ store, write: async () => {} })
    // @ts-expect-error Neither is a value.
    take({ store, write: () => 5 })
    // @ts-expect-error A promise is not a plain object.
    take({ store, write: () => undefined, meta: async () => Promise.resolve({ position: 1n }) })
    // @ts-expect-error A position is a bigint.
    take({ store, write: () => undefined, meta: () => ({ position: 1 }) })
    const typed = take({
      store,
      write(slice) {
        slice.set('a', 1)
      },
      meta: () => ({ position: 1n, orderId: 7 }),
    })
    const orderId: number = typed.meta!().orderId
    expect(orderId).toBe(7)
  })
})
