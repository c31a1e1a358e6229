import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileOperationLog, FileStore } from 'forksnap'
import { createSliceWriter, fdTarget } from '../../../src/slice/writer'
import { digest } from '../digest'
import { STATE_KINDS, type StateKind } from '../engine'
import { Flow } from '../flow'
import { metaOf, recoverEngine, writeEngine, type Recovered } from '../persistence'
import { flowTime } from '../steady-flow'

const SEED = 3
let directory: string
const opened: { close(): Promise<void> }[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'exchange-recovery-'))
})

afterEach(async () => {
  await closeAll()
  rmSync(directory, { recursive: true, force: true })
})

async function closeAll(): Promise<void> {
  for (const one of opened.splice(0)) await one.close()
}

interface Life extends Recovered {
  readonly store: FileStore
  readonly log: FileOperationLog
}

async function begin(state: StateKind = 'heap'): Promise<Life> {
  const store = new FileStore({ directory: join(directory, 'slices') })
  const log = new FileOperationLog({ directory: join(directory, 'log'), fsync: 'no' })
  opened.push(store, log)
  return { store, log, ...(await recoverEngine({ store, log, seed: SEED, state, onProgress: () => undefined })) }
}

function trade({ flow }: Recovered, operations: number): void {
  for (let i = 0; i < operations; i++) flow.next(flowTime(flow))
}

/** Orders that rest far from the middle, one with a text of its own, which a flow has not. */
function putSigned(life: Life): Life {
  const { engine, flow, log } = life
  const resting = { user_id: 1, market: 'ETH_USDT', order_side: 'BID', order_type: 'LIMIT', amount: '1' } as const
  for (const more of [{ signature: 'sig\u{1f600}\n' }, { post_only: true }]) {
    const params = { ...resting, price: '0.01', ...more }
    engine.apply({ id: log.lastId + 1n, time: flowTime(flow), method: 'order_put', params })
  }
  return { ...life, flow: new Flow(engine, { ...flow.state, operationId: Number(log.lastId) }) }
}

/** Writes a slice as the child would. */
async function save({ store, log, engine, flow }: Life): Promise<void> {
  const meta = metaOf(engine, flow)
  await log.sync(meta.position)
  const sink = await store.create()
  const writer = createSliceWriter(fdTarget(sink.fd), { sliceId: sink.sliceId, meta, ...sink.writing })
  writeEngine(engine, writer)
  await sink.commit({ meta, trailer: writer.finish() })
}

/** Ends a life and begins the next one, whose state must be the same. */
async function restart(life: Life, state?: StateKind): Promise<Life> {
  await life.log.sync()
  const before = [digest(life.engine), life.flow.state.operationId, life.flow.state.businessId]
  await closeAll()
  const next = await begin(state)
  expect([digest(next.engine), next.flow.state.operationId, next.flow.state.businessId]).toEqual(before)
  return next
}

describe('the exchange recovers', () => {
  it.each(STATE_KINDS)(
    'from the log alone, from a slice and the log, and from a slice, orders in the %s',
    async (state) => {
      let life = await begin(state)
      life.flow.fillBooks(1000, flowTime(life.flow))
      trade(life, 1000)
      life = await restart(life, state)
      trade(life, 500)
      await save(life)
      trade(life, 1500)
      life = await restart(life, state)
      expect(life.report).toMatchObject({ slice: { sliceId: 1n }, log: { entries: 1500 } })
      trade(life, 500)
      await save(life)
      life = await restart(life, state)
      expect(life.report).toMatchObject({ slice: { sliceId: 2n }, log: { entries: 0 } })
      trade(life, 500)
    },
  )

  it('from slices of either kind of state, signatures and post-only orders included', async () => {
    let life = await begin('arena')
    life.flow.fillBooks(1000, flowTime(life.flow))
    life = putSigned(life)
    trade(life, 1000)
    let saved: StateKind = 'arena'
    for (const state of ['heap', 'arena', 'arena', 'heap'] as const) {
      await save(life)
      trade(life, 200)
      life = await restart(putSigned(life), state)
      expect('resting_orders' in (life.report.slice?.values ?? {})).toBe(saved === 'arena')
      saved = state
    }
  })

  it('with operations in the log that it had refused', async () => {
    const life = await begin()
    life.flow.fillBooks(10, flowTime(life.flow))
    const { id } = life.log.append({ method: 'order_put', params: { user_id: 99 } })
    const report = { position: id }
    await life.log.sync()
    const before = digest(life.engine)
    await closeAll()
    const next = await begin()
    expect([digest(next.engine), next.report.position]).toEqual([before, report.position])
  })
})
