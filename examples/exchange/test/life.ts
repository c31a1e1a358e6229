/**
 * One life of an exchange that is kept in PostgreSQL, with slices by real forks. The first line of standard input is the
 * URL of the database, the tables to which those of a slice are mapped and where the orders are, as JSON. Then it recovers, says what came
 * of it, and does what each line says, answering with its digest once everything is durable: `trade N`, `save`.
 */
import { createInterface } from 'node:readline'
import { PostgresOperationLog, PostgresStore, Snapshotter } from 'forksnap'
import { digest } from '../digest'
import type { StateKind } from '../engine'
import { metaOf, recoverEngine, writeEngine, type DemoMeta, type Recovered } from '../persistence'
import { flowTime } from '../steady-flow'

const FILL = 2_000

interface Settings {
  readonly url: string
  readonly tables: Readonly<Record<string, string>>
  readonly state: StateKind
}

async function begin({ url, tables, state }: Settings) {
  // The one before was killed: the server may need a moment to see it.
  const store = new PostgresStore({ connection: url, tables })
  const log = new PostgresOperationLog({ connection: url })
  const life = await recoverEngine({ store, log, seed: 1, state, onProgress: () => undefined })
  const { engine, flow, report } = life
  const snapshotter = new Snapshotter<DemoMeta>({
    store,
    log,
    intervalMs: 0,
    meta: () => metaOf(engine, flow),
    write: (slice) => writeEngine(engine, slice),
  })
  await snapshotter.start()
  say({ recovered: stateOf(life), sliceId: Number(report.slice?.sliceId ?? 0), entries: report.log?.entries })
  return { life, snapshotter }
}

function stateOf({ engine, flow }: Recovered) {
  return { digest: digest(engine), operationId: flow.state.operationId, orders: engine.openOrders.size }
}

async function trade({ engine, flow }: Recovered, operations: number): Promise<void> {
  if (engine.users.length === 0) for (const _ of flow.filling(FILL, flowTime(flow))) await engine.ready()
  for (let i = 0; i < operations; i++) {
    await engine.ready()
    flow.next(flowTime(flow))
  }
  await engine.durable
}

function say(value: object): void {
  console.log(JSON.stringify(value))
}

async function main(): Promise<void> {
  let begun: Awaited<ReturnType<typeof begin>> | undefined
  for await (const line of createInterface(process.stdin)) {
    if (begun === undefined) {
      begun = await begin(JSON.parse(line) as Settings)
      continue
    }
    const { life, snapshotter } = begun
    const [, operations] = /^trade (\d+)$/.exec(line) ?? []
    if (operations === undefined) await snapshotter.save()
    else await trade(life, Number(operations))
    say({ [line]: stateOf(life) })
  }
}

main().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
