import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SliceMeta } from '../../src/slice/types'
import { CommandStore, type CommandStoreOptions } from '../../src/store/command'
import { openNewest } from '../../src/store/newest'
import type { SliceInfo } from '../../src/store/store'
import { closedWhileCreating, codeThrown, readIds, writeContents } from '../helpers/store-slices'

let directory: string
const stores: CommandStore[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forksnap-command-'))
})

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  rmSync(directory, { recursive: true, force: true })
})

const stored = (sliceId: number | string): string => join(directory, `stored-${sliceId}`)

function makeStore(options: Partial<CommandStoreOptions> = {}): CommandStore {
  const store = new CommandStore({
    command: ['dd', `of=${stored('{sliceId}')}`, 'status=none'],
    readCommand: ['cat', stored('{sliceId}')],
    removeCommand: ['rm', '-f', stored('{sliceId}')],
    directory: join(directory, 'index'),
    ...options,
  })
  stores.push(store)
  return store
}

async function started(options: Partial<CommandStoreOptions> = {}): Promise<CommandStore> {
  const store = makeStore(options)
  await store.start()
  return store
}

async function publish(store: CommandStore, meta: SliceMeta = {}): Promise<SliceInfo> {
  const sink = await store.create()
  const trailer = writeContents({ fd: sink.fd, sliceId: sink.sliceId, writing: sink.writing }, { meta, rows: 100 })
  return sink.commit({ meta, trailer })
}

const ids = async (store: CommandStore): Promise<bigint[]> => (await store.list()).map((info) => info.sliceId)

function damage(path: string): void {
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

describe('the index of a CommandStore', () => {
  it('keeps the order, the meta and the trailer of slices over a restart', async () => {
    const first = await started()
    await publish(first, { position: 7n, note: 'seven' })
    await publish(first, { position: 5n })
    await first.close()
    const again = await started()
    expect(await ids(again)).toEqual([1n, 2n])
    const source = await again.open(1n)
    expect(source.header.meta).toEqual({ position: 7n, note: 'seven' })
    expect(source.trailer).toMatchObject({ rows: 100, values: { rows: 100 } })
    expect(await readIds(source)).toHaveLength(100)
  })

  it('never gives an id twice, not even one whose server crashed before the slice was published', async () => {
    const crashed = join(directory, 'index', 'begun-e0000000000000000001-i0000000000000000041')
    await (await started()).close()
    writeFileSync(crashed, '')
    writeFileSync(stored(41), 'half a slice')
    const store = await started()
    expect((await publish(store)).sliceId).toBe(42n)
    await store.prune()
    expect(existsSync(stored(41))).toBe(false)
    await store.remove(42n)
    expect(existsSync(stored(42))).toBe(false)
    await store.close()
    const again = await started()
    expect((await publish(again)).sliceId).toBe(43n)
    expect(readdirSync(again.directory).some((name) => name.startsWith('used'))).toBe(false)
  })

  it('removes the bytes of what retention drops, and tries again what could not be removed', async () => {
    const store = await started({ keep: { count: 1 }, removeCommand: ['rm', stored('{sliceId}')] })
    await publish(store)
    renameSync(stored(1), stored('away'))
    await publish(store)
    await expect(store.prune()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', exitCode: 1 })
    expect(await ids(store)).toEqual([2n])
    renameSync(stored('away'), stored(1))
    await store.prune()
    expect(existsSync(stored(1))).toBe(false)
  })

  it('begins epochs, keeps the directory for itself, and is readable beside its owner', async () => {
    const store = await started()
    await publish(store, { position: 9n })
    expect(await store.beginEpoch()).toBe(2n)
    await publish(store, { position: 1n })
    expect(await ids(store)).toEqual([2n, 1n])
    const other = makeStore()
    await expect(other.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    const source = await openNewest(other)
    expect(source?.info).toMatchObject({ sliceId: 2n, epoch: 2n })
    await source?.close()
    await expect(publish(other)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
  })

  it('withdraws a slice that is being created while it is closed, and begins none after that', async () => {
    const store = await started()
    const { meanwhile, open } = await closedWhileCreating(store, store.directory)
    expect(meanwhile).toMatchObject({ code: 'ERR_INVALID_STATE' })
    expect(open).toEqual([])
    expect(readdirSync(store.directory).filter((name) => /^(begun|gone|pipe)-/.test(name))).toEqual([])
    expect(existsSync(stored(1))).toBe(false)
    await store.start()
    expect((await publish(store)).sliceId).toBe(2n)
  })

  it('does not publish a slice of an epoch that has ended', async () => {
    const store = await started()
    const sink = await store.create()
    const trailer = writeContents({ fd: sink.fd, sliceId: sink.sliceId, writing: sink.writing })
    await store.beginEpoch()
    await expect(sink.commit({ meta: {}, trailer })).rejects.toMatchObject({ code: 'ERR_EPOCH_CHANGED' })
    expect(existsSync(stored(1))).toBe(false)
  })

  it('passes over a damaged slice and a damaged entry, and keeps their entries aside', async () => {
    const store = await started()
    for (const position of [1n, 2n, 3n]) await publish(store, { position })
    damage(stored(3))
    damage((await store.list())[1]?.location ?? '')
    const broken: bigint[] = []
    const source = await openNewest(store, { onBroken: (info) => broken.push(info.sliceId) })
    expect([source?.info.sliceId, broken]).toEqual([1n, [3n, 2n]])
    expect(await ids(store)).toEqual([1n])
    expect(readdirSync(store.directory).filter((name) => name.endsWith('.broken'))).toHaveLength(2)
  })

  it('does not take another slice for the one that was published', async () => {
    const store = await started()
    await publish(store)
    await publish(store)
    renameSync(stored(1), stored(2))
    await expect((await store.open(2n)).verify()).rejects.toMatchObject({ code: 'ERR_SLICE_CORRUPT' })
  })

  it('tells a reading command that fails from a damaged slice', async () => {
    const store = await started()
    await publish(store)
    rmSync(stored(1))
    await expect(openNewest(store)).rejects.toMatchObject({ code: 'ERR_STORE_FAILED', exitCode: 1 })
    expect(await ids(store)).toEqual([1n])
  })

  it('ends a reading command that hangs', async () => {
    const store = await started({ readCommand: ['tail', '-c', '+1', '-f', stored('{sliceId}')], limitMs: 200 })
    await publish(store)
    const source = await store.open(1n)
    const error = { code: 'ERR_STORE_FAILED', signal: 'SIGKILL', message: expect.stringContaining('limitMs') as string }
    await expect(source.verify()).rejects.toMatchObject(error)
  })
})

it('removes the FIFOs that a crash has left, and nothing else', async () => {
  const index = join(directory, 'index')
  mkdirSync(index, { mode: 0o700 })
  const left = ['pipe-0123456789abcdef', 'pipe-fedcba9876543210'].map((name) => join(index, name))
  execFileSync('mkfifo', left)
  writeFileSync(join(index, 'pipe-of-somebody'), '')
  const store = await started()
  expect(left.filter((path) => existsSync(path))).toEqual([])
  expect(existsSync(join(index, 'pipe-of-somebody'))).toBe(true)
  await publish(store)
})

describe('the commands of a CommandStore', () => {
  it('get their arguments as they are, through no shell', async () => {
    const hostile = `stored-$(touch owned);"'\`touch owned\` {epoch}-{sliceId} {other}`
    const path = join(directory, hostile)
    const store = await started({ command: ['dd', `of=${path}`, 'status=none'], readCommand: ['cat', path] })
    await publish(store)
    expect(readdirSync(directory)).toContain(hostile.replace('{epoch}-{sliceId}', '1-1'))
    const source = await store.open(1n)
    await expect(source.verify()).resolves.toMatchObject({ rows: 100 })
    expect(readdirSync(directory)).not.toContain('owned')
  })

  it('are checked, and their arguments not shown', () => {
    const check = (options: Partial<CommandStoreOptions>): unknown => codeThrown(() => makeStore(options))
    expect(check({ command: ['dd', 'of=always-the-same'] })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ command: ['dd', '{sliceId}-{position}'] })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ command: [] as never })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ command: 'dd {sliceId}' as never })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ readCommand: ['cat', 'a\0b'] })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ limitMs: 0 })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ keep: { count: 0 } })).toBe('ERR_INVALID_ARGUMENT')
    expect(check({ comand: ['dd'] } as never)).toBe('ERR_INVALID_ARGUMENT')
    expect(stores.splice(0)).toEqual([])
  })

  it('are optional for reading and removing', async () => {
    const {
      readCommand: _,
      removeCommand: __,
      ...rest
    } = {
      command: ['dd', `of=${stored('{sliceId}')}`, 'status=none'] as const,
      readCommand: undefined,
      removeCommand: undefined,
      directory: join(directory, 'index'),
    }
    const store = new CommandStore(rest)
    stores.push(store)
    await store.start()
    await publish(store)
    await expect(store.open(1n)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' })
    await store.remove(1n)
    expect([await ids(store), existsSync(stored(1))]).toEqual([[], true])
  })
})
