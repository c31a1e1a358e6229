import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reasonAgainstPostgres, Cluster } from '../../../test/helpers/postgres'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { createSliceWriter, fdTarget } from '../../../src/slice/writer'
import { digest } from '../digest'
import { openPersistence, type Persistence } from '../demo-options'
import { metaOf, recoverEngine, writeEngine, type Recovered } from '../persistence'
import { flowTime } from '../steady-flow'

type Policy = Parameters<typeof openPersistence>[0]['log']

const directory = mkdtempSync(join(tmpdir(), 'exchange-persistence-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** One life of the exchange: recovers, does the work, and closes. */
async function live(
  { store, log }: Persistence,
  work: (life: Recovered & Persistence) => void | Promise<void>,
  newLog = false,
): Promise<string> {
  try {
    const recovered = await recoverEngine({ store, log, seed: 3, newLog, onProgress: () => undefined })
    await work({ ...recovered, store, log, where: '' })
    await log?.sync()
    return digest(recovered.engine)
  } finally {
    await store.close()
    await log?.close()
  }
}

function fill({ flow }: Recovered): void {
  flow.fillBooks(100, flowTime(flow))
}

/** Writes a slice as the child would. */
async function save({ store, log, engine, flow }: Recovered & Persistence): Promise<void> {
  const meta = metaOf(engine, flow)
  await log?.sync(meta.position)
  const sink = await store.create()
  const writer = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta, ...sink.writing })
  writeEngine(engine, writer)
  const trailer = writer.finish()
  sink.forked?.()
  await sink.commit({ meta, trailer })
}

/** What must hold of files and of PostgreSQL alike. */
function itGuardsTheLog(open: (name: string, log: Policy) => Promise<Persistence>, on: Policy): void {
  it('refuses --log off beside a log, which would later be applied to a state that is not its own', async () => {
    await live(await open('kept', on), fill)
    await expect(open('kept', 'off')).rejects.toThrow(/there is a log in .*: leave --log off out/)
    await live(await open('kept', on), async (life) => {
      await save(life)
      await life.log?.prune(life.log.lastId - 1n)
    })
    await expect(open('kept', 'off')).rejects.toThrow(/there is a log in/)
  })

  it('refuses a log that the slices have left behind, unless it is told to begin it anew', async () => {
    const saved = await live(await open('none', 'off'), async (life) => {
      fill(life)
      await save(life)
    })
    await expect(live(await open('none', on), fill)).rejects.toMatchObject({ code: 'ERR_LOG_GAP' })
    const traded = await live(
      await open('none', on),
      ({ engine, flow }) => {
        expect(digest(engine)).toBe(saved)
        for (let i = 0; i < 100; i++) flow.next(flowTime(flow))
      },
      true,
    )
    expect(await live(await open('none', on), ({ report }) => expect(report.log?.entries).toBe(100))).toBe(traded)
  })
}

describe('the exchange in files', () => {
  const open = (name: string, log: Policy) => openPersistence({ directory: join(directory, name), store: 'file', log })
  itGuardsTheLog(open, 'no')
})

describeUnless(reasonAgainstPostgres, 'the exchange in PostgreSQL', () => {
  let cluster: Cluster
  const urls = new Map<string, string>()
  beforeAll(async () => {
    cluster = await Cluster.start()
    for (const name of ['kept', 'none']) urls.set(name, cluster.url(await cluster.createDatabase()))
  })
  afterAll(() => cluster.dispose())

  itGuardsTheLog((name, log) => openPersistence({ directory, store: urls.get(name) ?? '', log }), 'always')
})
