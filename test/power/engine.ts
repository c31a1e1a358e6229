/**
 * The engine whose power is cut: it recovers what its directory holds, then appends, applies and acknowledges
 * operations and publishes slices until its log fails, or until it has done enough; then it closes, or stays as it is.
 *
 *   node dist/test/power/engine.js DIRECTORY SEED always|everysec|no [OPERATIONS close|stay]
 */
import { join } from 'node:path'
import { FileOperationLog, FileStore, isForksnapError, recover, Snapshotter } from '../../src/index'
import { Draw } from './draw'
import { tell } from './lines'
import { State } from './state'

const [directory = '', seed = '1', policy = 'always', limit, then] = process.argv.slice(2)
const draw = new Draw(Number(seed))
const operationsMax = limit === undefined ? Infinity : Number(limit)
const state = new State()

// So small that a few operations fill a segment, and that each slice takes several sectors.
const SEGMENT_BYTES = 4096
const CELLS = 40
const VALUE_BYTES_MAX = 300
const OPERATIONS_BETWEEN_SAVES_MAX = 25
const APPENDERS_MAX = 6

// The child's own syncs spread the writing and keep nothing; without them the store's sync is what keeps a slice.
const syncEveryBytes = draw.one([0, 4096])
const store = new FileStore({ directory: join(directory, 'data', 'slices'), keep: { count: 2 }, syncEveryBytes })
const log = new FileOperationLog({
  directory: join(directory, 'data', 'log'),
  fsync: policy as 'always' | 'everysec' | 'no',
  segmentBytes: SEGMENT_BYTES,
})
const snapshotter = new Snapshotter({
  store,
  log,
  meta: () => ({ position: BigInt(state.position), chain: state.chain }),
  write(slice) {
    const cells = slice.table('cell', [
      ['cell', 'int4'],
      ['value', 'text'],
    ])
    for (const [cell, value] of state.cells) cells.row(cell, value)
  },
  intervalMs: 0,
  retry: { attempts: 0 },
  stopWritesOnSaveError: false,
})
snapshotter.on('pruned', ({ sliceIds }) => tell({ tell: 'removed', sliceIds: sliceIds.map(Number) }))

async function start(): Promise<void> {
  const { slice, passedOver } = await recover({
    store,
    log,
    restore: { cell: ([cell, value]) => state.cells.set(cell as number, value as string) },
    check: ({ meta }) => state.restore(Number(meta.position), meta.chain as string),
    replay: ({ id, params }) => state.apply(Number(id), params as { cell: number; value: string }),
  })
  await snapshotter.start()
  tell({
    tell: 'recovered',
    position: state.position,
    digest: state.digest(),
    slicePosition: Number(slice?.position ?? 0n),
    sliceIds: (await store.list()).map(({ sliceId }) => Number(sliceId)),
    damaged: passedOver.map(({ error }) => error.message),
  })
}

let saving: Promise<void> | undefined
let nextSaveAt = 0

/** A slice that cannot be published leaves the engine as it was, so its failure is not told. */
async function save(): Promise<void> {
  try {
    const saved = await snapshotter.save()
    tell({ tell: 'saved', position: Number(saved.position) })
  } catch (error) {
    if (!isForksnapError(error)) throw error
  }
  saving = undefined
  nextSaveAt = state.position + draw.whole(1, OPERATIONS_BETWEEN_SAVES_MAX)
}

let begun = 0
/** A slice takes much longer than an operation, so that without waiting there would be many operations and few slices. */
const waitsForSaves = limit !== undefined || draw.chance(50)

/** Appends one operation after the other, and acknowledges each as soon as it may. */
async function append(): Promise<void> {
  while (begun++ < operationsMax) {
    const id = state.position + 1
    const value = `${seed}-${id}-`.padEnd(draw.whole(1, VALUE_BYTES_MAX), 'x')
    const operation = { cell: draw.whole(1, CELLS), value }
    // A log that has failed takes no operation, so there is none to tell of: others that wait for the same slice come here too.
    if (log.failure !== undefined) throw log.failure
    tell({ tell: 'operation', id, ...operation })
    const { durable } = log.append({ method: 'put', params: operation })
    state.apply(id, operation)
    await durable
    tell({ tell: 'durable', id })
    if (state.position >= nextSaveAt) saving ??= save()
    if (waitsForSaves) await saving
  }
}

async function run(): Promise<void> {
  try {
    await start()
  } catch (error) {
    if (!isForksnapError(error)) throw error
    tell({ tell: 'refused', code: error.code, message: error.message })
    return process.exit(0)
  }
  try {
    await Promise.all(Array.from({ length: draw.whole(1, APPENDERS_MAX) }, append))
  } catch (error) {
    if (log.failure === undefined) throw error
    tell({ tell: 'stopped' })
    return process.exit(0)
  }
  await saving
  if (then === 'stay') {
    tell({ tell: 'done' })
    return void process.stdin.resume().once('end', () => process.exit(0)) // Until it is killed, or the test is.
  }
  await snapshotter.close()
  await log.close()
  await store.close()
  tell({ tell: 'closed' })
}

void run()
