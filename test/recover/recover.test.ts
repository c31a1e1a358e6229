import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileOperationLog } from '../../src/oplog/file'
import type { LogEntry } from '../../src/oplog/oplog'
import { recover, type RecoverOptions, type RecoverProgress } from '../../src/recover'
import type { BlobSink, ReadValue, SliceWriter } from '../../src/slice/types'
import { createSliceWriter, fdTarget } from '../../src/slice/writer'
import { FileStore } from '../../src/store/file'
import type { SliceHandlers, SliceSource } from '../../src/store/store'

/** An engine that only counts: each operation adds a number, and a slice has one row for each operation before it. */
let directory: string
let store: FileStore
let log: FileOperationLog
const opened: { close(): Promise<void> }[] = []

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'forksnap-recover-'))
  ;({ store, log } = open())
  await store.start()
  await log.start()
})

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
  rmSync(directory, { recursive: true, force: true })
})

function open(): { store: FileStore; log: FileOperationLog } {
  const both = {
    store: new FileStore({ directory: join(directory, 'slices'), keep: {} }),
    log: new FileOperationLog({ directory: join(directory, 'log'), segmentBytes: 4096 }),
  }
  opened.push(both.store, both.log)
  return both
}

async function append(count: number): Promise<void> {
  const appended = Array.from({ length: count }, () => log.append({ method: 'add', params: { text: 'x'.repeat(50) } }))
  await appended.at(-1)?.durable
}

/** Publishes a slice at the log's end, as the snapshotter does. */
async function publish(more: (slice: SliceWriter) => void = () => undefined): Promise<bigint> {
  const sink = await store.create()
  const meta = { position: log.lastId, note: 'as of now' }
  const writer = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta, ...sink.writing })
  const rows = writer.table('numbers', [['n', 'int8']])
  for (let n = 1n; n <= log.lastId; n++) rows.row(n)
  writer.set('digest', Number(log.lastId))
  more(writer)
  await sink.commit({ meta, trailer: writer.finish() })
  return sink.sliceId
}

function damage(sliceId: bigint): void {
  const name = readdirSync(store.directory).find((one) => one.endsWith(`i${String(sliceId).padStart(19, '0')}.slice`))
  const path = join(store.directory, name ?? '')
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

/** What the handlers got, in the order in which they got it. */
class Seen {
  readonly order: string[] = []
  readonly rows: ReadValue[] = []
  readonly entries: LogEntry[] = []
  readonly progress: RecoverProgress[] = []

  get options(): RecoverOptions {
    return {
      store,
      log,
      restore: { numbers: ([n]) => this.#note('rows', () => this.rows.push(n ?? null)) },
      check: ({ values }) => this.#note('check', () => expect(values.digest).toBe(this.rows.length)),
      replay: (entry) => this.#note('entries', () => this.entries.push(entry)),
      onProgress: (progress) => this.progress.push(progress),
    }
  }

  #note(what: string, work: () => void): void {
    if (this.order.at(-1) !== what) this.order.push(what)
    work()
  }

  /** Rows and entries together are the numbers from 1 on without a gap. */
  get last(): bigint {
    const all = [...this.rows, ...this.entries.map((entry) => entry.id)]
    expect(all).toEqual(all.map((_, index) => BigInt(index + 1)))
    return BigInt(all.length)
  }
}

async function restart(): Promise<void> {
  await store.close()
  await log.close()
  ;({ store, log } = open())
}

async function recovered(options: Partial<RecoverOptions> = {}) {
  const seen = new Seen()
  const report = await recover({ ...seen.options, ...options })
  return { seen, report }
}

describe('the pieces of a blob', () => {
  it.each([
    ['as they are read', (source: SliceSource): SliceSource => source],
    ['whole, from a store that knows of no pieces', withoutPieces],
  ] as const)('are delivered %s', async (_how, given) => {
    const blob = Uint8Array.from({ length: 2_500_000 }, (_, i) => i >> 8)
    await publish((slice) => slice.blob('book', blob))
    const opened = store.open.bind(store)
    store.open = async (sliceId) => given(await opened(sliceId))
    const told: number[] = []
    const got: Buffer[] = []
    const pieces = (bytes: number): BlobSink => ({
      write: (piece) => void got.push(Buffer.from(piece)),
      end: () => void told.push(bytes),
    })
    await recover({ ...new Seen().options, blobs: { book: { pieces } } })
    expect(told).toEqual([blob.length])
    expect(got).toHaveLength(given === withoutPieces ? 1 : 3)
    expect(Buffer.concat(got).equals(blob)).toBe(true)
  })

  /** As one of somebody else, written before there were any. */
  function withoutPieces(source: SliceSource): SliceSource {
    const { info, header, trailer } = source
    const read = (handlers: SliceHandlers) => {
      const own = { ...handlers }
      delete own.pieces
      return source.read(own)
    }
    return { info, header, trailer, read, verify: () => source.verify(), close: () => source.close() }
  }
})

describe('recover()', () => {
  it('gives the newest slice and then the entries after it, and tells what it did', async () => {
    await append(5)
    await publish()
    await append(20)
    await publish()
    await append(1000)
    await restart()
    const { seen, report } = await recovered()
    expect([seen.last, seen.order]).toEqual([1025n, ['rows', 'check', 'entries']])
    const ms = expect.any(Number) as number
    expect(report).toEqual({
      slice: {
        sliceId: 2n,
        epoch: 1n,
        position: 25n,
        rows: 25,
        bytes: ms,
        meta: { position: 25n, note: 'as of now' },
        values: { digest: 25 },
        location: expect.stringContaining('.slice') as string,
        verifyMs: ms,
        ms,
      },
      passedOver: [],
      log: { first: 26n, last: 1025n, entries: 1000, ms },
      position: 1025n,
      totalMs: ms,
    })
    const { bytes = 0 } = report.slice ?? {}
    expect(seen.progress[0]).toEqual({ phase: 'slice', sliceId: 2n, bytes, bytesTotal: bytes })
    expect(seen.progress.at(-1)).toEqual({ phase: 'log', entries: 1000, id: 1025n, lastId: 1025n })
  })

  it('goes on from where it ended: what is appended next gets the next id', async () => {
    await append(3)
    await restart()
    await recovered()
    expect(log.append({ method: 'add', params: null }).id).toBe(4n)
  })

  it('has nothing to give where there is neither slice nor entry', async () => {
    const { seen, report } = await recovered()
    expect([seen.order, report.slice, report.position]).toEqual([[], undefined, 0n])
    expect(report.log).toMatchObject({ first: 0n, last: 0n, entries: 0 })
  })

  it('needs no log', async () => {
    await append(4)
    await publish()
    const { replay: _, log: __, ...options } = new Seen().options
    const report = await recover(options)
    expect([report.position, 'log' in report]).toEqual([4n, false])
  })

  it('gives rows as fields to a handler that wants them so, and as values to the others', async () => {
    await append(3)
    await publish((slice) => slice.table('names', [['name', 'text']]).row('Ann'))
    const seen: unknown[] = []
    await recovered({
      restore: {
        numbers: { fields: (row) => seen.push(row.integer(0)) },
        names: ([name]) => seen.push(name),
      },
      check: () => undefined,
    })
    expect(seen).toEqual([1, 2, 3, 'Ann'])
  })

  it('passes over damaged slices, says so, and takes more of the log instead', async () => {
    for (const count of [5, 5, 5]) {
      await append(count)
      await publish()
    }
    await restart()
    damage(3n)
    damage(2n)
    const { seen, report } = await recovered()
    expect([seen.last, report.slice?.sliceId, report.log?.entries]).toEqual([15n, 1n, 10])
    expect(report.passedOver).toMatchObject([
      { sliceId: 3n, position: 15n, error: { code: 'ERR_SLICE_CORRUPT' } },
      { sliceId: 2n, position: 10n, error: { code: 'ERR_SLICE_CORRUPT' } },
    ])
    expect(report.passedOver[0]?.error.path).toMatch(/\.broken$/)
  })

  it('tells of a torn tail that was cut', async () => {
    await append(5)
    await restart()
    const segment = readdirSync(join(directory, 'log')).find((name) => name.endsWith('.oplog')) ?? ''
    appendFileSync(join(directory, 'log', segment), Buffer.from('half a batch'))
    const { seen, report } = await recovered()
    expect([seen.last, report.log?.cut?.bytes]).toEqual([5n, 12])
  })

  it('reads beside a running owner if it may only read, and changes nothing', async () => {
    await append(5)
    await publish()
    await append(5)
    await publish()
    damage(2n)
    const other = open()
    const names = readdirSync(store.directory)
    await expect(recovered(other)).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    const { seen, report } = await recovered({ ...other, readOnly: true })
    expect([seen.last, report.passedOver.length]).toEqual([10n, 1])
    expect(readdirSync(store.directory)).toEqual(names)
  })
})

describe('recover() refuses, before anything is delivered,', () => {
  const refusal = async (options: Partial<RecoverOptions>, error: object): Promise<Seen> => {
    const seen = new Seen()
    await expect(recover({ ...seen.options, ...options })).rejects.toMatchObject(error)
    return seen
  }

  it.each(['others', 'constructor', '__proto__'])('a table without a handler: %s', async (name) => {
    await append(3)
    await publish((slice) => slice.table(name, [['n', 'int4']]).row(1))
    const seen = await refusal({}, { code: 'ERR_INVALID_ARGUMENT', table: name })
    expect(seen.order).toEqual([])
  })

  it('a blob without a handler', async () => {
    await publish((slice) => slice.blob('book', new Uint8Array(3)))
    const seen = await refusal({}, { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('book') as string })
    expect(seen.order).toEqual([])
    const blobs: Uint8Array[] = []
    await recovered({ blobs: { book: (data) => blobs.push(data) } })
    expect(blobs).toEqual([new Uint8Array(3)])
    for (const handler of [undefined, 'book', {}, { pieces: 1 }]) {
      await refusal({ blobs: { book: handler as never } }, { code: 'ERR_INVALID_ARGUMENT' })
    }
  })

  it('a log that begins too late for the slice that is left', async () => {
    await append(5)
    const older = await publish()
    for (let batch = 0; batch < 10; batch++) await append(20) // Some segments, since a batch is never split.
    const newer = await publish()
    await log.prune(205n)
    await append(3)
    await recovered()
    damage(newer)
    const seen = await refusal({}, { code: 'ERR_LOG_GAP', message: expect.stringContaining('entry 6') as string })
    await store.remove(older)
    const without = await refusal(
      {},
      { code: 'ERR_LOG_GAP', message: expect.stringContaining('There is no slice') as string },
    )
    expect([seen.order, without.order]).toEqual([[], []])
  })

  it('a log that ends before the slice does, unless it is allowed: then it begins anew after the slice', async () => {
    await append(5)
    await publish()
    await log.close()
    rmSync(join(directory, 'log'), { recursive: true })
    ;({ log } = open())
    const message = expect.stringContaining('allowLogBehind: true') as string
    expect((await refusal({}, { code: 'ERR_LOG_GAP', message })).order).toEqual([])
    const { report } = await recovered({ allowLogBehind: true })
    expect([report.position, log.append({ method: 'add', params: null }).id]).toEqual([5n, 6n])
    await log.sync()
    expect((await recovered()).seen.last).toBe(6n)
  })

  it('options that are wrong, naming them', async () => {
    const refused = (options: object) => refusal(options, { code: 'ERR_INVALID_ARGUMENT' })
    await refused({ replay: undefined })
    for (const numbers of [1, {}, { fields: 1 }, { fields: () => undefined, row: () => undefined }]) {
      await refused({ restore: { numbers } })
    }
    await refused({ restor: {} })
    await refused({ log: undefined })
    await refused({ readOnly: 1 })
    await refused({ signal: {} })
  })
})

describe('recover() ends with', () => {
  it('what a handler throws', async () => {
    await append(3)
    await publish()
    await append(3)
    const error = new RangeError('no such user')
    const fail = () => {
      throw error
    }
    await expect(recovered({ restore: { numbers: fail } })).rejects.toBe(error)
    await expect(recovered({ restore: { numbers: { fields: fail } } })).rejects.toBe(error)
    await expect(recovered({ check: fail })).rejects.toBe(error)
    await expect(recovered({ replay: fail })).rejects.toBe(error)
    expect((await recovered()).seen.last).toBe(6n)
  })

  it('an error for a row handler that is asynchronous; replay may be', async () => {
    await append(3)
    await publish()
    await append(3)
    const later = async (): Promise<void> => Promise.resolve()
    for (const numbers of [later, { fields: later }]) {
      await expect(recovered({ restore: { numbers } })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        table: 'numbers',
      })
    }
    const order: string[] = []
    await recovered({
      replay: async ({ id }) => {
        order.push(`begin ${id}`)
        await new Promise((resolve) => setImmediate(resolve))
        order.push(`end ${id}`)
      },
    })
    expect(order).toEqual(['begin 4', 'end 4', 'begin 5', 'end 5', 'begin 6', 'end 6'])
  })

  it('ERR_ABORTED when the signal is given, in the slice or in the log', async () => {
    await append(3)
    await publish()
    await append(500)
    for (const phase of ['slice', 'log'] as const) {
      const controller = new AbortController()
      const onProgress = (progress: RecoverProgress) => progress.phase === phase && controller.abort()
      const aborted = recovered({ signal: controller.signal, onProgress })
      await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    }
    await expect(recovered({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })
})
