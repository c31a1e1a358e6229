/**
 * What the engine does not do, on a disk whose power is cut: epochs of a store, resets of a log, damaged slices that are
 * set aside. Store and log are used by themselves here, one step after the other.
 *
 *   node dist/test/power/parts.js DIRECTORY SEED always|everysec|no [STEPS close|stay]
 *
 * STEPS is how many random steps there are, or their names with commas between them.
 */
import { join } from 'node:path'
import { CommandStore, FileOperationLog, FileStore, isForksnapError, Snapshotter } from '../../src/index'
import { Draw } from './draw'
import { PROGRAM_VARIABLE, tell } from './lines'

const [directory = '', seed = '1', policy = 'always', limit, then] = process.argv.slice(2)
const draw = new Draw(Number(seed))
const steps = { append, prune, reset, save, epoch: beginEpoch }
const planned = limit === undefined || /^\d+$/.test(limit) ? undefined : limit.split(',')
const stepsMax = planned?.length ?? (limit === undefined ? Infinity : Number(limit))

const ROWS = 20
const TEXT_BYTES = 100
const APPENDS_MAX = 30
/** A reset goes on from the next multiple, so that the last id tells how often the log was reset. */
const IDS_OF_A_RESET = 1_000_000

const slicesDirectory = join(directory, 'data', 'slices')
const keep = { count: 3 }

/** Its commands keep what they are given as a service would that never loses anything: all of that is their business. */
class DurableCommands extends CommandStore {
  constructor() {
    const shell = (script: string) => ['sh', '-ec', script, 'sh', slicesDirectory, 'stored-{sliceId}'] as const
    super({
      directory: join(directory, 'data', 'index'),
      command: shell('mkdir -p "$1"; cat > "$1/$2"; sync "$1/$2" "$1" "$1/.." "$1/../.."'),
      readCommand: shell('cat "$1/$2"'),
      removeCommand: shell('rm -f "$1/$2"; sync "$1"'),
      keep,
    })
  }

  override async create(): ReturnType<CommandStore['create']> {
    const sink = await super.create()
    tell({ tell: 'given', sliceId: Number(sink.sliceId) })
    return sink
  }
}

// Without the child's own syncs, so that the store's is what keeps a slice.
const store =
  process.env[PROGRAM_VARIABLE] === 'command-parts'
    ? new DurableCommands()
    : new FileStore({ directory: slicesDirectory, keep, syncEveryBytes: 0 })
const log = new FileOperationLog({
  directory: join(directory, 'data', 'log'),
  fsync: policy as 'always' | 'everysec' | 'no',
  segmentBytes: 4096,
})
let position = 0
const snapshotter = new Snapshotter({
  store,
  meta: () => ({ position: BigInt(position) }),
  write(slice) {
    const rows = slice.table('row', [['text', 'text']])
    for (let row = 0; row < ROWS; row++) rows.row(`${position}-${row}`.padEnd(TEXT_BYTES, 'x'))
  },
  intervalMs: 0,
  retry: { attempts: 0 },
})

snapshotter.on('pruned', ({ sliceIds }) => tell({ tell: 'removed', sliceIds: sliceIds.map(Number) }))

/** Reads every slice in full. Damaged ones are set aside; returns their ids. */
async function setAsideDamaged(): Promise<number[]> {
  const damaged: number[] = []
  for (const { sliceId } of await store.list()) {
    try {
      const source = await store.open(sliceId)
      await source.verify().finally(() => source.close())
    } catch (error) {
      if (!isForksnapError(error, 'ERR_SLICE_CORRUPT')) throw error
      damaged.push(Number(sliceId))
    }
  }
  return damaged
}

/** Every entry must be there and be the one that was appended. */
async function readLog(): Promise<void> {
  const { firstId } = await log.start()
  let next = firstId
  if (next > 0n) {
    for await (const entries of log.read(next - 1n)) {
      for (const { id, params } of entries) {
        const said = (params as { id: number }).id
        if (id !== next || said !== Number(id)) throw new Error(`entry ${id} says ${said} in the place of ${next}`)
        next++
      }
    }
    if (next !== log.lastId + 1n) throw new Error(`the log ends at ${log.lastId}, its entries before ${next}`)
  }
}

async function start(): Promise<void> {
  await readLog()
  await store.start()
  const damaged = await setAsideDamaged()
  await snapshotter.start()
  const slices = await store.list()
  const current = slices.filter(({ epoch }) => epoch === store.epoch)
  position = Number(current[0]?.position ?? 0n)
  tell({
    tell: 'started',
    lastId: Number(log.lastId),
    epoch: Number(store.epoch),
    position,
    sliceIds: slices.map(({ sliceId }) => Number(sliceId)),
    damaged,
  })
}

async function append(): Promise<void> {
  for (let left = draw.whole(1, APPENDS_MAX); left > 0; left--) {
    const id = Number(log.lastId) + 1
    tell({ tell: 'operation', id, cell: 0, value: '' })
    await log.append({ method: 'put', params: { id, text: ''.padEnd(TEXT_BYTES, 'x') } }).durable
    tell({ tell: 'durable', id })
  }
}

async function reset(): Promise<void> {
  const id = (Math.floor(Number(log.lastId) / IDS_OF_A_RESET) + 1) * IDS_OF_A_RESET
  tell({ tell: 'resetting', id })
  await log.reset(BigInt(id))
  tell({ tell: 'reset', id })
}

/** All that may go goes; what is left must still be whole. */
async function prune(): Promise<void> {
  await log.prune(log.lastId)
}

async function save(): Promise<void> {
  position++
  tell({ tell: 'saving', position })
  await snapshotter.save()
  tell({ tell: 'saved', position })
}

async function beginEpoch(): Promise<void> {
  const epoch = Number(store.epoch) + 1
  tell({ tell: 'beginning', epoch })
  position = 0
  await snapshotter.reset()
  tell({ tell: 'begun', epoch })
}

function nextStep(count: number): () => Promise<void> {
  const name = planned?.[count]
  if (name === undefined) return draw.one([append, append, append, prune, reset, save, save, beginEpoch])
  if (!Object.hasOwn(steps, name)) throw new Error(`there is no step ${name}`)
  return steps[name as keyof typeof steps]
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
    for (let count = 0; count < stepsMax; count++) await nextStep(count)()
  } catch (error) {
    // Without power every step fails.
    if (!isForksnapError(error)) throw error
    tell({ tell: 'stopped' })
    return process.exit(0)
  }
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
