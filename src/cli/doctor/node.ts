import { getHeapStatistics } from 'node:v8'
import { binding } from '../../binding'
import { isForksnapError } from '../../errors'
import { platformProblem } from '../../platform'
import { bytesText } from '../output'
import { cgroupOf, memoryLimits } from './cgroup'
import { type Check, judge } from './check'
import { flagsOf, type Flags } from './flags'
import type { Subject } from './subject'
import type { System } from './system'

const NODE_WHY =
  'forksnap knows from the inside how certain releases of Node and V8 hold their locks; it refuses the others.'

export function checkNode(): Check {
  const check = judge('node', NODE_WHY)
  const problem = platformProblem(process.platform, process.version, true)
  const found = `Node ${process.version} on ${process.platform}-${process.arch}`
  return problem === undefined ? check.ok(found) : check.fail(found, problem)
}

const ADDON_WHY = 'Without the native addon nothing can be forked and no directory locked; reading and recovering work.'

export function checkAddon({ system }: Subject): Check {
  const check = judge('addon', ADDON_WHY)
  if (!system.here) return check.skipped('not for the files of another machine')
  try {
    binding()
    return check.ok(`loaded, for Node ABI ${process.versions.modules}`)
  } catch (error) {
    if (!isForksnapError(error)) throw error
    return check.fail(
      error.message,
      'see docs/packaging.md: what is delivered ready-built, and how to build it elsewhere',
    )
  }
}

interface Judgement {
  readonly status: 'warn' | 'fail'
  readonly problem: string
}

const OLD_FETCH = Number(process.versions.node.split('.')[0]) < 22

/** What a flag does to forksnap. */
const FLAGS: readonly (readonly [name: string, status: Judgement['status'], problem: string])[] = [
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

export function checkFlags({ system, pid }: Subject): Check {
  const check = judge('node-flags', FLAGS_WHY)
  const flags = flagsOf(system, pid)
  if (flags === undefined) return check.skipped(`the options of process ${pid} cannot be read by this user`)
  const found: Judgement[] = FLAGS.filter(([name]) => flags.has(name)).map(([name, status, problem]) => {
    return { status, problem: `${name} ${problem}` }
  })
  found.push(...permissionProblems(flags))
  if (found.length === 0)
    return check.ok(flags.size === 0 ? 'no options' : `nothing wrong with ${[...flags.keys()].join(' ')}`)
  const text = found.map(({ problem }) => problem).join('; ')
  const mend = 'take the option out of the command line and of NODE_OPTIONS, or add what is missing'
  return found.some(({ status }) => status === 'fail') ? check.fail(text, mend) : check.warn(text, mend)
}

function permissionProblems(flags: Flags): Judgement[] {
  if (!flags.has('--permission') && !flags.has('--experimental-permission')) return []
  const found: Judgement[] = []
  if (!flags.has('--allow-addons')) {
    found.push({ status: 'fail', problem: 'the permission model without --allow-addons keeps the native addon out' })
  }
  if (!flags.has('--allow-child-process')) {
    const problem =
      'the permission model without --allow-child-process keeps PostgresStore and CommandStore from working'
    found.push({ status: 'warn', problem })
  }
  return found
}

const HEAP_WHY =
  'A heap that may grow beyond the memory there is gets the OOM killer before V8 collects garbage, and one that uses all of it ' +
  'leaves nothing for the pages that are copied during a snapshot.'
const COPIES = 1.25

export function checkHeapLimit({ system, pid, stateBytes }: Subject): Check {
  const check = judge('heap-limit', HEAP_WHY)
  const heap = heapLimit(system, pid)
  const memory = memoryLimit(system, pid)
  if (heap === undefined || memory === undefined) return check.skipped('the limits cannot be read here')
  const found = `the heap may grow to ${bytesText(heap)}, of ${bytesText(memory)} of memory`
  const lower = `--max-old-space-size=${Math.max(1, Math.floor(memory / COPIES / 2 ** 20))} or less, or give it more memory`
  if (heap > memory) return check.fail(found, lower)
  if (heap * COPIES > memory) return check.warn(found, lower)
  if (stateBytes !== undefined && stateBytes > heap) {
    const mend = `--max-old-space-size=${Math.ceil((stateBytes * COPIES) / 2 ** 20)}, unless the state lies in an Arena`
    return check.warn(`${found}, and the state has ${bytesText(stateBytes)}`, mend)
  }
  return check.ok(found)
}

/** Undefined for another process that does not say it: the default depends on its machine. */
function heapLimit(system: System, pid: string): number | undefined {
  const given = Number(flagsOf(system, pid)?.get('--max-old-space-size') ?? NaN)
  if (given > 0) return given * 2 ** 20
  return pid === 'self' && system.here ? getHeapStatistics().heap_size_limit : undefined
}

function memoryLimit(system: System, pid: string): number | undefined {
  const cgroup = cgroupOf(system, pid, 'memory')
  const limits = cgroup === undefined ? [] : memoryLimits(system, cgroup).map(({ limitBytes }) => limitBytes)
  const machine = system.kilobytes('/proc/meminfo', 'MemTotal')
  return machine === undefined ? undefined : Math.min(machine, ...limits)
}
