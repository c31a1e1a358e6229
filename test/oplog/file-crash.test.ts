import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { failpoints } from '../../src/failpoint'
import { fixturePath } from '../helpers/store-fixture'
import { LogBench, memoryDirectory, numbersFrom, readAll } from './log-bench'

const bench = new LogBench(memoryDirectory())
afterEach(() => bench.cleanUp())

/** What a run of the fixture said before its end. */
interface Said {
  readonly lines: string[]
  readonly signal: string | null
}

/** Runs the fixture and kills it once it has said so many lines. */
function killedAfter(directory: string, lines: number): Promise<Said> {
  const child = spawn(process.execPath, [fixturePath('oplog-crash'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: string[] = []
  const reader = createInterface(child.stdout)
  reader.on('line', (line) => {
    said.push(line)
    if (said.length === lines) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (_code, signal) => resolve({ lines: said, signal }))
  })
}

/** Runs the fixture to its end with a failpoint. */
function runWith(directory: string, failpoint: string): Said {
  const env = { ...process.env, FORKSNAP_FAILPOINT: failpoint }
  const { stdout, signal } = spawnSync(process.execPath, [fixturePath('oplog-crash'), directory], {
    env,
    encoding: 'utf8',
  })
  return { lines: stdout.split('\n').filter((line) => line !== ''), signal }
}

const newModel = (): Model => ({ acknowledged: undefined, pruned: 0n, resetting: undefined })

/** A run that ends at a failpoint, and one after it that goes on to the end. */
async function runAndCheck(directory: string, model: Model, failpoint: string): Promise<void> {
  const said = runWith(directory, failpoint)
  expect(said.signal).toBe('SIGKILL')
  follow(model, said.lines)
  await check(directory, model)
  follow(model, runWith(directory, '').lines)
  await check(directory, model)
}

/** The ids that must be in the log after these lines, and where it may begin. */
interface Model {
  /** Highest id that was said to be durable; undefined if none was since the last reset. */
  acknowledged: bigint | undefined
  pruned: bigint
  /** Where the log began after a reset that may or may not have happened. */
  resetting: bigint | undefined
}

function follow(model: Model, lines: readonly string[]): void {
  for (const line of lines) {
    const [word = '', position = ''] = line.split(' ')
    if (/^\d+$/.test(word)) {
      const id = BigInt(word)
      if (model.acknowledged === undefined || id > model.acknowledged) model.acknowledged = id
    } else if (word === 'prune') model.pruned = BigInt(position)
    else if (word === 'reset') model.resetting = BigInt(position)
    else if (word === 'reset-done') {
      model.acknowledged = undefined
      model.pruned = BigInt(position)
      model.resetting = undefined
    }
  }
}

/** Starts the log and compares it with the model: nothing acknowledged is missing, and every entry is what was appended. */
async function check(directory: string, model: Model): Promise<void> {
  const log = await bench.started({ directory, segmentBytes: 4096 })
  const start = await log.start()
  const from = start.firstId === 0n ? log.lastId : start.firstId - 1n
  const entries = await readAll(log, from)
  const ids = entries.map(({ id }) => Number(id))
  expect(ids).toEqual(numbersFrom(Number(from) + 1, Number(log.lastId)))
  expect(entries.map(({ params }) => (params as { id: number }).id)).toEqual(ids)
  if (model.resetting !== undefined && from === model.resetting) {
    model.acknowledged = undefined // The reset had happened.
    model.pruned = from
  } else {
    expect(log.lastId).toBeGreaterThanOrEqual(model.acknowledged ?? model.pruned)
    expect(from).toBeLessThanOrEqual(model.pruned)
  }
  model.resetting = undefined
  await log.close()
}

describe('SIGKILL', () => {
  it('at any moment, again and again: nothing that was acknowledged is missing', async () => {
    const directory = join(bench.directory(), 'log')
    const model = newModel()
    for (let round = 0; round < 15; round++) {
      const said = await killedAfter(directory, 1 + ((round * 67) % 500))
      expect(said.signal).toBe('SIGKILL')
      follow(model, said.lines)
      await check(directory, model)
    }
  })
})

describe('a failpoint of the log', () => {
  const names = failpoints.filter((name) => name.startsWith('oplog.file.'))
  const atStart = names.filter((name) => /\.(cut|start)\./.test(name))
  const later = names.filter((name) => !atStart.includes(name))

  it.each(later.flatMap((name) => [`${name}:1`, `${name}:3`]))(
    '%s ends the process, and nothing is missing',
    async (name) => {
      const directory = join(bench.directory(), 'log')
      const model = newModel()
      await runAndCheck(directory, model, name)
    },
  )

  it.each(atStart)('%s ends the start of a log with a torn tail, and nothing is missing', async (name) => {
    const directory = join(bench.directory(), 'log')
    const model = newModel()
    const said = runWith(directory, 'oplog.file.write.after:20')
    expect(said.signal).toBe('SIGKILL')
    follow(model, said.lines)
    const [last = ''] = readdirSync(directory)
      .filter((file) => file.endsWith('.oplog'))
      .sort()
      .reverse()
    appendFileSync(join(directory, last), 'torn')
    await runAndCheck(directory, model, name)
  })

  it.each(['oplog.file.sync.before', 'oplog.file.write.before'])(
    '%s can be an error, of which all are told',
    async (name) => {
      const directory = join(bench.directory(), 'log')
      const model = newModel()
      const said = runWith(directory, `${name}:5=error`)
      expect([said.signal, said.lines.at(-1)]).toEqual([null, 'ERR_LOG_FAILED'])
      follow(model, said.lines)
      await check(directory, model)
    },
  )

  it('with a misspelt name is an error', () => {
    expect(runWith(join(bench.directory(), 'log'), 'oplog.file.sink.before').lines).toEqual([])
  })
})
