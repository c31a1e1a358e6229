import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Project, root } from './project'

/** The types of the package as it is installed, for a TypeScript project in each module system. No addon is needed for it. */

const project = new Project()

beforeAll(() => {
  project.npm('init', '-y')
  project.npm('install', '--ignore-scripts', project.pack().tarball)
  // The optional peer, which forksnap/prometheus names in its types.
  symlinkSync(join(root, 'node_modules/prom-client'), join(project.app, 'node_modules/prom-client'))
  for (const [file, source] of Object.entries({ 'consumer.mts': esModule, 'consumer.cts': commonJs })) {
    project.write(file, source)
  }
})

afterAll(() => project.remove())

/** Uses a name of each kind, and sees that what is not allowed is an error: a type that is `any` would allow it. */
const body = `
interface Book extends SliceMeta {
  readonly orders: number
}

export async function use(log: OperationLog): Promise<string> {
  const store: SliceStore = new FileStore({ directory: './slices', codec: 'gzip' })
  const elsewhere = new PostgresStore({ connection: { host: 'db', ssl: true } })
  // @ts-expect-error There is no such codec.
  new FileStore({ directory: './slices', codec: 'lzo' })
  const options: SnapshotterOptions<Book> = {
    store,
    log,
    intervalMs: 1_000,
    meta: () => ({ position: 7n, orders: 1 }),
    write: (slice) => void slice.table('orders', [['id', 'int8']]).rows([1n, 2n], (id) => [id]),
  }
  // @ts-expect-error What the state is like is not told.
  new Snapshotter({ store, intervalMs: '1 s' })
  const snapshotter = new Snapshotter<Book>(options)
  snapshotter.on('saved', ({ pauseMs, meta }) => console.log(pauseMs.toFixed(1), meta.orders))
  const { longestGapMs, childDelay } = await snapshotter.save()
  const bytes: Uint8Array = (await forkChild(() => ({ sum: new Uint8Array(longestGapMs) }))).value.sum
  // @ts-expect-error It is a number of milliseconds.
  const text: string = childDelay.p99Ms
  collectMetrics(snapshotter, { registry: new Registry(), labels: { shard: 'eu' } })
  try {
    await elsewhere.close()
  } catch (error) {
    if (isForksnapError(error, 'ERR_LOCKED')) return error.code satisfies ForksnapErrorCode
    if (error instanceof ForksnapError) return error.path ?? String(error.offset)
  }
  return \`\${text} \${bytes.length} \${registered ? 'registered' : ''}\`
}
`
const names = 'FileStore, ForksnapError, PostgresStore, Snapshotter, forkChild, isForksnapError'
const types = 'ForksnapErrorCode, OperationLog, SliceMeta, SliceStore, SnapshotterOptions'

const esModule = `
import { ${names} } from 'forksnap'
import type { ${types} } from 'forksnap'
import { collectMetrics } from 'forksnap/prometheus'
import { registered } from 'forksnap/worker'
import { Registry } from 'prom-client'
import * as all from 'forksnap'
export const same: typeof Snapshotter = all.Snapshotter
${body}`

const commonJs = `
import forksnap = require('forksnap')
import prometheus = require('forksnap/prometheus')
import worker = require('forksnap/worker')
import prom = require('prom-client')
import manifest = require('forksnap/package.json')
import type { ${types} } from 'forksnap'
const { ${names} } = forksnap
const { collectMetrics } = prometheus
const { registered } = worker
const { Registry } = prom
export const version: string = manifest.version
${body}`

/** What the compiler says of these files. */
function compile(files: readonly string[], options: object): { status: number | null; stdout: string } {
  const compilerOptions = { strict: true, skipLibCheck: false, noEmit: true, target: 'es2023', ...options }
  writeFileSync(join(project.app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project.app], { encoding: 'utf8' })
  return { status, stdout }
}

it.each([
  {
    name: 'module node16',
    files: ['consumer.mts', 'consumer.cts'],
    options: { module: 'node16', resolveJsonModule: true, types: ['node'] },
  },
  {
    name: 'moduleResolution bundler',
    files: ['consumer.mts'],
    options: { module: 'esnext', moduleResolution: 'bundler' },
  },
])('$name: $files have no error under strict, with the types of every entry', ({ files, options }) => {
  expect(compile(files, options)).toEqual({ status: 0, stdout: '' })
})
