/**
 * The rate of the operation log in files, beside the plain ways of writing the same entries, on the same disk in one run:
 * one fdatasync for each entry, and batches of 1,000 entries that are serialised, written and synced by synchronous calls.
 *
 *   node dist/bench/oplog.js [--json] [--rounds 7] [--entries 200000] [--waiting 1000]
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileOperationLog, type FsyncPolicy } from '../src/oplog/file'
import type { NewOperation } from '../src/oplog/oplog'
import { readArguments } from './lib/arguments'
import { printReport } from './lib/report'
import { median } from './lib/statistics'

const RAW_BATCH = 1_000
/** Few enough to take about as long as the other measurements on a disk with slow syncs. */
const SINGLE_ENTRIES = 300

/** An order as the exchange logs it; with its id, time and checksum about 200 bytes. */
const operation: NewOperation = {
  method: 'order_put',
  params: {
    user: 123_456,
    market: 'ETH_USDT',
    side: 'ask',
    type: 'limit',
    amount: '12.34500000',
    price: '1234.56',
    fees: ['0.00100000', '0.00100000'],
    client: '0b4c2a3e-77d1-4a3e-9f51',
  },
}

async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'forksnap-bench-'))
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Entries a second of a piece of work that handles so many. */
async function rateOf(entries: number, work: () => unknown): Promise<number> {
  const begun = performance.now()
  await work()
  return (entries / (performance.now() - begun)) * 1000
}

/** Serialises entries and writes and syncs them in batches, with nothing between the program and the system. */
function rawRate(entries: number, batch: number): Promise<number> {
  return inDirectory(async (directory) => {
    const fd = openSync(join(directory, 'raw'), 'w')
    const rate = await rateOf(entries, () => {
      for (let id = 0; id < entries;) {
        let text = ''
        for (const end = Math.min(entries, id + batch); id < end; id++) {
          text += JSON.stringify({ id, time: Date.now(), method: operation.method, params: operation.params }) + '\n'
        }
        writeSync(fd, text)
        fdatasyncSync(fd)
      }
    })
    closeSync(fd)
    return rate
  })
}

/** Keeps `waiting` appends waiting at any time. */
function logRate(fsync: FsyncPolicy, entries: number, waiting: number): Promise<number> {
  return inDirectory(async (directory) => {
    const log = new FileOperationLog({ directory: join(directory, 'log'), fsync })
    await log.start()
    let left = entries
    const client = async (): Promise<void> => {
      while (left-- > 0) await log.append(operation).durable
    }
    const rate = await rateOf(entries, () => Promise.all(Array.from({ length: waiting }, client)))
    await log.close()
    return rate
  })
}

/** Appends as fast as the log takes it, and waits until all of it is written. */
function floodRate(fsync: FsyncPolicy, entries: number): Promise<number> {
  return inDirectory(async (directory) => {
    const log = new FileOperationLog({ directory: join(directory, 'log'), fsync, maxPendingEntries: 20_000 })
    await log.start()
    const rate = await rateOf(entries, async () => {
      let last: Promise<void> | undefined
      for (let left = entries; left > 0;) {
        await log.ready()
        for (let burst = Math.min(left, 100); burst > 0; burst--, left--) last = log.append(operation).durable
      }
      await last
    })
    await log.close()
    return rate
  })
}

async function main(): Promise<void> {
  const { json, rounds, entries, waiting } = readArguments({ rounds: 7, entries: 200_000, waiting: 1_000 })
  const measures = {
    single: { name: 'one fdatasync for each entry', run: () => rawRate(SINGLE_ENTRIES, 1) },
    raw: { name: `serialise, write, fdatasync by ${RAW_BATCH}`, run: () => rawRate(entries, RAW_BATCH) },
    always: { name: `log, always, ${waiting} waiting`, run: () => logRate('always', entries, waiting) },
    everysec: { name: 'log, everysec, as fast as it goes', run: () => floodRate('everysec', 2 * entries) },
    no: { name: 'log, no, as fast as it goes', run: () => floodRate('no', 2 * entries) },
  }
  const values = { single: [], raw: [], always: [], everysec: [], no: [] } as Record<keyof typeof measures, number[]>
  for (let round = -1; round < rounds; round++) {
    for (const key of Object.keys(measures) as (keyof typeof measures)[]) {
      const rate = await measures[key].run()
      if (round >= 0) values[key].push(rate) // The first round is the warm-up.
    }
  }
  const bytes = JSON.stringify(operation.params).length + operation.method.length + 17
  const ratio = (above: keyof typeof values, below: keyof typeof values) =>
    median(values[above]) / median(values[below])
  printReport(
    {
      bench: 'oplog',
      subject: `${entries} entries of ${bytes} bytes, ${rounds} rounds in ${tmpdir()}`,
      figures: Object.entries(measures).map(([key, { name }]) => ({
        name,
        unit: 'entries/s',
        values: values[key as keyof typeof values],
      })),
      targets: [
        { name: 'always / one fdatasync each', measured: ratio('always', 'single'), limit: 50, kind: 'at-least' },
        { name: 'always / raw batches', measured: ratio('always', 'raw'), limit: 0.35, kind: 'at-least' },
        { name: 'everysec, entries/s', measured: median(values.everysec), limit: 300_000, kind: 'at-least' },
      ],
    },
    json,
  )
}

void main()
