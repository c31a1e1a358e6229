import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inBoth, type Ran, uncoloured } from '../helpers/cli'
import { commandOptions } from '../helpers/cli-program'
import { damagedCopy, logPlaces, slicePlaces } from '../helpers/cli-places'
import { Cluster, reasonAgainstPostgres } from '../helpers/postgres'
import { StoreBench } from '../helpers/store-slices'

/**
 * Every command on good, damaged, empty and missing input, in a pipe and in a terminal. Which commands there are is asked of
 * the program itself, so that none is forgotten. What single commands answer beyond that is in the other files.
 */

type Input = 'good' | 'damaged' | 'empty' | 'missing'

interface Case {
  readonly input: Input
  /** After the command; called once for each run, since some of them change what they are given. */
  readonly args: () => readonly string[] | Promise<readonly string[]>
  readonly code: number
  readonly says: RegExp
  /** Also told beside an answer that is good. */
  readonly note?: true
  readonly skip?: string | null
}

const bench = new StoreBench()
let slices: Awaited<ReturnType<typeof slicePlaces>>
let logs: Awaited<ReturnType<typeof logPlaces>>
let cluster: Cluster | undefined
/** A program that cannot be run, and a file that is empty. */
let [noProgram, emptyProgram] = ['', '']

beforeAll(async () => {
  ;[slices, logs] = await Promise.all([slicePlaces(bench), logPlaces(bench)])
  if (reasonAgainstPostgres === null) cluster = await Cluster.start()
  const folder = bench.directory()
  noProgram = join(folder, 'damaged')
  emptyProgram = join(folder, 'empty')
  writeFileSync(noProgram, '#!/no/such/interpreter\n')
  chmodSync(noProgram, 0o700)
  writeFileSync(emptyProgram, '')
})

afterAll(async () => {
  await cluster?.dispose()
  await bench.cleanUp()
})

const DAMAGED = /ERR_SLICE_CORRUPT/
const NO_SLICE = /There is no slice in/
const NO_LOG = /There is no log in/
const MISSING = /does not exist/

/** A command on a place of slices: the sound ones, a damaged newest one, an empty file, an empty directory, none. */
function onSlices(good: RegExp, options: readonly string[] = [], emptyCode = 1): Case[] {
  const at = (place: keyof typeof slices) => () => [slices[place], ...options]
  return [
    { input: 'good', args: at('good'), code: 0, says: good },
    { input: 'good', args: at('file'), code: 0, says: good },
    { input: 'damaged', args: at('truncated'), code: 1, says: DAMAGED },
    { input: 'empty', args: at('emptyFile'), code: 1, says: DAMAGED },
    { input: 'empty', args: at('empty'), code: emptyCode, says: NO_SLICE, note: true },
    { input: 'missing', args: at('missing'), code: 1, says: MISSING },
  ]
}

function onLog(good: RegExp, damaged: [keyof typeof logs, RegExp], options: readonly string[] = []): Case[] {
  // A copy each: `--repair` changes the log, and takes its lock.
  const at = (place: keyof typeof logs) => () => [damagedCopy(bench, logs[place], '.oplog'), ...options]
  return [
    { input: 'good', args: at('good'), code: 0, says: good, note: true },
    { input: 'damaged', args: at(damaged[0]), code: 1, says: damaged[1] },
    { input: 'damaged', args: () => [logs.file, ...options], code: 2, says: /is a file; a log is the directory/ },
    { input: 'empty', args: () => [logs.empty, ...options], code: 1, says: NO_LOG },
    { input: 'missing', args: () => [logs.missing, ...options], code: 1, says: MISSING },
  ]
}

/** Nobody listens there: what is wrong with the slice has to be found before a database is asked. */
const NOWHERE = 'postgres://127.0.0.1:1/nothing'
const intoNewDatabase = async () => [slices.good, (cluster as Cluster).url(await (cluster as Cluster).createDatabase())]

const CASES: { readonly [command: string]: readonly Case[] } = {
  list: onSlices(/2\s+\d\s+3\s+4\s.*readable/, [], 0),
  inspect: onSlices(/digest.*d1g3st[^]*orders\s+3\s[^]*book\s+5/),
  verify: onSlices(/2\s+4\s.*ok/),
  export: onSlices(/id,note,extra\n1,,"{""id"":1}"\n2,"",/, ['--table', 'orders']),
  load: [
    { input: 'good', args: intoNewDatabase, code: 0, says: /rows\s+4/, note: true, skip: reasonAgainstPostgres },
    ...onSlices(/./, [NOWHERE]).filter(({ input }) => input !== 'good'),
  ],
  'log inspect': onLog(/\s100\s+\d+\s.*ok/, ['flippedLast', /corrupt[^]*ERR_LOG_CORRUPT/]),
  'log verify': onLog(/\s100\s+\d+\s.*ok/, ['flipped', /corrupt[^]*ERR_LOG_CORRUPT/]),
  'log verify --repair': onLog(/no torn tail to cut/, ['flippedAndTorn', /ERR_LOG_CORRUPT/], ['--repair']),
  'log show': onLog(/"id":"1",.*\n.*"id":"2",/, ['flipped', /ERR_LOG_CORRUPT/]),
  bench: [
    { input: 'good', args: () => ['--objects', '1000', '--runs', '1'], code: 0, says: /pause_ms\s+\d/ },
    { input: 'damaged', args: () => ['--objects', '1e3'], code: 2, says: /a whole number from 1/ },
    { input: 'empty', args: () => ['--objects', ''], code: 2, says: /a whole number from 1/ },
    { input: 'missing', args: () => ['--objects'], code: 2, says: /argument missing/ },
  ],
  exec: [
    { input: 'good', args: () => ['--', process.execPath, '-p', '6 * 7'], code: 0, says: /^42$/m },
    { input: 'damaged', args: () => ['--', noProgram], code: 127, says: /could not be started/ },
    { input: 'empty', args: () => ['--', emptyProgram], code: 126, says: /could not be started/ },
    { input: 'missing', args: () => ['--', `${noProgram}/no`], code: 126, says: /could not be started/ },
    { input: 'missing', args: () => ['--', join(bench.directory(), 'no')], code: 127, says: /could not be started/ },
    { input: 'missing', args: () => ['--'], code: 2, says: /the command to run is missing/ },
  ],
}

/** Those that have no commands below them. `doctor` has tests of its own: its input is a machine. */
function leaves(): string[] {
  const names = [...commandOptions().keys()]
  return names.filter(
    (name) => name !== '' && name !== 'doctor' && !names.some((other) => other.startsWith(`${name} `)),
  )
}

it('knows every command, and each on every kind of input', () => {
  const names = Object.keys(CASES)
  expect(new Set(names.map((name) => name.replace(/ --.*/, '')))).toEqual(new Set(leaves()))
  for (const name of names) {
    const inputs = new Set(CASES[name].map(({ input }) => input))
    expect({ name, inputs }).toEqual({ name, inputs: new Set(['good', 'damaged', 'empty', 'missing']) })
  }
})

/** What is not as it should be, in the words of who reads the test's answer. */
function problemsOf({ code, says, note }: Case, ran: Ran, piped: boolean): string[] {
  const said = uncoloured(ran.out + ran.err)
  const problems = []
  if (ran.code !== code) problems.push(`ended with ${ran.signal ?? ran.code}, not ${code}`)
  if (!says.test(said)) problems.push(`does not say ${says}`)
  if (piped && said !== ran.out + ran.err) problems.push('is coloured in a pipe')
  if (piped && code === 0 && ran.err !== '' && !note) problems.push('says something beside its answer')
  if (piped && code !== 0 && ran.err === '') problems.push('says nothing on standard error')
  return problems.map((problem) => `${problem}: ${said}`)
}

it.each(Object.keys(CASES))('forksnap %s', async (name) => {
  const cases = CASES[name].filter(({ skip }) => typeof skip !== 'string')
  const command = name.replace(/ --.*/, '').split(' ')
  const found = cases.map(async (one, index) => {
    // Two runs of the same input must not meet: each of them gets its own.
    const [piped, shown] = await Promise.all([one.args(), one.args()])
    const runs = await inBoth([...command, ...piped], [...command, ...shown])
    const where = ['in a pipe', 'in a terminal']
    return runs.flatMap((ran, at) =>
      problemsOf(one, ran, at === 0).map((problem) => `${index}: ${one.input} ${where[at]} ${problem}`),
    )
  })
  expect((await Promise.all(found)).flat()).toEqual([])
})
