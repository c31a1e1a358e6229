import { statSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import { askedAddonProblem, binding } from '../../binding'
import { isForksnapError } from '../../errors'
import { platformProblem } from '../../platform'
import { bytesText } from '../output'
import { type Check, type Finding, judge } from './check'
import { flagsOf, type Flags } from './flags'
import { memoryCeiling } from './memory'
import type { Subject } from './subject'
import type { System } from './system'

const NODE_WHY =
  'forksnap knows from the inside how certain releases of Node and V8 hold their locks; it refuses the others.'

export function checkNode({ system, pid }: Subject): Check {
  const check = judge('node', NODE_WHY)
  const problem = platformProblem(process.platform, process.version, true)
  const found = `Node ${process.version} on ${process.platform}-${process.arch}`
  const findings: Finding[] = problem === undefined ? [] : [{ status: 'fail', found: 'not supported', mend: problem }]
  const other = otherProgram(system, pid)
  if (other !== undefined) {
    const mend = `run doctor with the Node of the server; if ${pid} is that of a shell or of npm, give that of the server itself`
    findings.push({ status: 'warn', found: `process ${pid} runs another program, ${other}`, mend })
  }
  return check.all(found, findings)
}

/** The program of a running server if it is not this Node; undefined if it is, or if this user may not see it. */
function otherProgram(system: System, pid: string): string | undefined {
  if (pid === 'self' || !system.here) return undefined
  const [link, own] = [`/proc/${pid}/exe`, '/proc/self/exe']
  try {
    // By the file itself: a container has paths of its own.
    const [server, here] = [link, own].map((path) => statSync(path))
    return server.dev === here.dev && server.ino === here.ino ? undefined : system.link(link)
  } catch {
    return undefined
  }
}

const ADDON_WHY = 'Without the native addon nothing can be forked and no directory locked; reading and recovering work.'

export function checkAddon({ system }: Subject): Check {
  const check = judge('addon', ADDON_WHY)
  if (!system.here) return check.skipped('not for the files of another machine')
  try {
    binding()
    const found = `loaded, for Node ABI ${process.versions.modules}`
    const problem = askedAddonProblem()
    if (problem === undefined) return check.ok(found)
    const passedOver = `not the one that FORKSNAP_ADDON names, ${process.env.FORKSNAP_ADDON}: ${problem}`
    return check.warn(`${found}; ${passedOver}`, 'correct FORKSNAP_ADDON, or remove it')
  } catch (error) {
    if (!isForksnapError(error)) throw error
    return check.fail(
      error.message,
      'see docs/packaging.md: what is delivered ready-built, and how to build it elsewhere',
    )
  }
}

const OLD_FETCH = Number(process.versions.node.split('.')[0]) < 22

/** What a flag does to forksnap. */
const FLAGS: readonly (readonly [name: string, status: Finding['status'], problem: string])[] = [
  // Without WebAssembly: pg asks for Node's fetch as it is loaded, which in Node 20 needs that.
  ['--jitless', OLD_FETCH ? 'fail' : 'warn', 'makes everything slower, and Node 20 cannot load pg with it'],
  ['--no-addons', 'fail', 'keeps the native addon from being loaded'],
  ['--single-threaded', 'warn', 'makes every garbage collection longer; forksnap does not need it'],
  ['--single-threaded-gc', 'warn', 'makes every garbage collection longer; forksnap does not need it'],
  [
    '--frozen-intrinsics',
    'warn',
    'is an experiment of Node with which packages may fail; try a save before you rely on it',
  ],
  [
    '--experimental-policy',
    'warn',
    'lets only listed files be loaded: the addon and the database writer must be among them',
  ],
]

const FLAGS_WHY = 'Some options of Node keep forksnap from working, or make it slow.'

const FLAGS_MEND = 'take the option out of the command line and of NODE_OPTIONS, or add what is missing'

export function checkFlags({ system, pid }: Subject): Check {
  const check = judge('node-flags', FLAGS_WHY)
  const { flags, hidden } = flagsOf(system, pid)
  const findings = FLAGS.filter(([name]) => flags.has(name)).map(([name, status, problem]): Finding => {
    return { status, found: `${name} ${problem}`, mend: FLAGS_MEND }
  })
  // What the permission model lacks may be among what is hidden.
  if (hidden === undefined) findings.push(...permissionProblems(flags))
  const seen = flags.size === 0 ? 'no options' : [...flags.keys()].join(' ')
  if (findings.length > 0) return check.all(seen, findings)
  if (hidden === undefined) return check.ok(flags.size === 0 ? seen : `nothing wrong with ${seen}`)
  return check.skipped(`${hidden}; as far as can be seen: ${seen}`)
}

function permissionProblems(flags: Flags): Finding[] {
  if (!flags.has('--permission') && !flags.has('--experimental-permission')) return []
  const lacks = (name: string): string => `the permission model without ${name} keeps`
  const all: readonly (readonly [name: string, status: Finding['status'], what: string])[] = [
    ['--allow-addons', 'fail', 'the native addon out'],
    ['--allow-child-process', 'warn', 'PostgresStore and CommandStore from working'],
  ]
  return all
    .filter(([name]) => !flags.has(name))
    .map(([name, status, what]) => ({ status, found: `${lacks(name)} ${what}`, mend: FLAGS_MEND }))
}

const HEAP_WHY =
  'A heap that may grow beyond the memory there is gets the OOM killer before V8 collects garbage, and one that uses all of it ' +
  'leaves nothing for the pages that are copied during a snapshot.'
const COPIES = 1.25

export function checkHeapLimit({ system, pid, stateBytes, residentBytes }: Subject): Check {
  const check = judge('heap-limit', HEAP_WHY)
  const heap = heapLimit(system, pid)
  const memory = memoryCeiling(system, pid)
  if (memory === undefined) return check.skipped('how much memory there is cannot be read here')
  if (typeof heap === 'string') return check.skipped(heap)
  const found = `the heap may grow to ${bytesText(heap)}, of ${bytesText(memory.bytes)} of memory (bound: ${memory.bound})`
  const lower = `--max-old-space-size=${Math.max(1, Math.floor(memory.bytes / COPIES / 2 ** 20))} or less, or give it more memory`
  if (heap > memory.bytes) return check.fail(found, lower)
  if (heap * COPIES > memory.bytes) return check.warn(found, lower)
  // What is in memory already has found its place, in the heap or beside it.
  if (stateBytes !== undefined && stateBytes > Math.max(heap, residentBytes)) {
    const mend = `--max-old-space-size=${Math.ceil((stateBytes * COPIES) / 2 ** 20)}, unless the state lies in an Arena`
    return check.warn(`${found}, and the state has ${bytesText(stateBytes)}`, mend)
  }
  return check.ok(found)
}

/** In bytes, or why it is not known: the default of another process depends on its release and on its machine. */
function heapLimit(system: System, pid: string): number | string {
  if (pid === 'self') {
    return system.here
      ? getHeapStatistics().heap_size_limit
      : 'the heap of a server on another machine is not known here'
  }
  const { flags, hidden } = flagsOf(system, pid)
  if (hidden !== undefined) return `${hidden}, so its --max-old-space-size is not known`
  const given = Number(flags.get('--max-old-space-size') ?? NaN)
  return given > 0
    ? given * 2 ** 20
    : `process ${pid} was given no --max-old-space-size, and the default is not known here`
}
