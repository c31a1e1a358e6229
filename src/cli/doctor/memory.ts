import { bytesText } from '../output'
import { cgroupOf, memoryLimits, oomGroup } from './cgroup'
import { type Check, judge } from './check'
import { kernelAtLeast } from './kernel'
import type { Subject } from './subject'
import type { System } from './system'

/** What a process could still get, and what sets the bound. */
export interface Available {
  readonly bytes: number
  readonly bound: string
}

/** The smallest of what the machine and each cgroup of the process have left; undefined where nothing tells. */
export function availableMemory(system: System, pid: string): Available | undefined {
  const machine = system.kilobytes('/proc/meminfo', 'MemAvailable')
  const cgroup = cgroupOf(system, pid, 'memory')
  const limits = cgroup === undefined ? [] : memoryLimits(system, cgroup)
  const all: Available[] = limits.map(({ folder, limitBytes, usedBytes }) => {
    return { bytes: Math.max(0, limitBytes - usedBytes), bound: `the limit of ${bytesText(limitBytes)} in ${folder}` }
  })
  if (machine !== undefined) all.push({ bytes: machine, bound: 'the memory of the machine' })
  return all.sort((a, b) => a.bytes - b.bytes)[0]
}

const HEADROOM_WHY =
  'While a snapshot is written, each page that the server changes exists twice: a quarter of the state is usual, all of it ' +
  'the worst case. What is missing then is taken by the OOM killer.'
/** Part of the state that a server changes while a snapshot is written, as one must reckon with. */
const USUAL_PART = 0.25

export function checkHeadroom({ system, pid, stateBytes, resident }: Subject): Check {
  const check = judge('memory', HEADROOM_WHY)
  const available = availableMemory(system, pid)
  if (available === undefined) return check.skipped('how much memory is free cannot be read here')
  const left = `${bytesText(available.bytes)} can be had (bound: ${available.bound})`
  if (stateBytes === undefined)
    return check.skipped(`${left}; give --state-bytes or --pid to compare it with the state`)
  const state = resident
    ? `a state of ${bytesText(stateBytes)} in memory`
    : `a state of ${bytesText(stateBytes)} to come`
  const own = resident ? 0 : stateBytes
  const found = `${left}, ${state}`
  const mend = `raise the limit, or see that ${bytesText(own + stateBytes)} can be had; an Arena or slower writes keep copies few`
  if (available.bytes >= own + stateBytes) return check.ok(found)
  if (available.bytes >= own + stateBytes * USUAL_PART)
    return check.warn(`${found}: not enough for the worst case`, mend)
  return check.fail(`${found}: not enough for a snapshot under load`, mend)
}

const OVERCOMMIT_WHY =
  'fork() promises the child all the memory that the parent may write to, though little of it is ever copied. A kernel that ' +
  'keeps account of promises refuses the fork with ENOMEM.'
const OVERCOMMIT_MEND = 'sysctl vm.overcommit_memory=1, and the same line in /etc/sysctl.d/forksnap.conf'
const [HEURISTIC, ALWAYS, STRICT] = [0, 1, 2]

export function checkOvercommit({ system, stateBytes, resident }: Subject): Check {
  const check = judge('overcommit', OVERCOMMIT_WHY)
  const mode = system.number('/proc/sys/vm/overcommit_memory')
  if (mode === ALWAYS) return check.ok('vm.overcommit_memory is 1')
  if (mode === HEURISTIC) {
    // Since then only a single mapping that is larger than all memory and swap is refused.
    if (kernelAtLeast(system, 5, 2))
      return check.ok('vm.overcommit_memory is 0, and this kernel refuses only single huge mappings')
    return check.warn(
      'vm.overcommit_memory is 0, with which this kernel may refuse the fork of a large process',
      OVERCOMMIT_MEND,
    )
  }
  if (mode !== STRICT) return check.skipped('vm.overcommit_memory cannot be read here')
  return judgeStrict(check, system, stateBytes, resident)
}

function judgeStrict(
  check: ReturnType<typeof judge>,
  system: System,
  stateBytes: number | undefined,
  resident: boolean,
): Check {
  const limit = system.kilobytes('/proc/meminfo', 'CommitLimit')
  const promised = system.kilobytes('/proc/meminfo', 'Committed_AS')
  const mode = 'vm.overcommit_memory is 2'
  if (limit === undefined || promised === undefined) return check.warn(`${mode} (strict)`, OVERCOMMIT_MEND)
  const left = Math.max(0, limit - promised)
  const found = `${mode}: ${bytesText(left)} of CommitLimit ${bytesText(limit)} can still be promised`
  if (stateBytes === undefined) return check.warn(found, OVERCOMMIT_MEND)
  const needed = resident ? stateBytes : 2 * stateBytes
  if (left < needed) return check.fail(`${found}, ${bytesText(needed)} are needed`, OVERCOMMIT_MEND)
  return check.warn(`${found}, enough for ${bytesText(needed)} as long as nobody else is promised it`, OVERCOMMIT_MEND)
}

const OOM_GROUP_WHY =
  'The child of a snapshot is the first that the OOM killer takes, and the server goes on. With memory.oom.group all processes of ' +
  'the group are killed together, the server among them. Kubernetes sets it.'

export function checkOomGroup({ system, pid }: Subject): Check {
  const check = judge('oom-group', OOM_GROUP_WHY)
  const cgroup = cgroupOf(system, pid, 'memory')
  if (cgroup?.version !== 2)
    return check.ok('no cgroup of version 2 limits the memory, so there is no memory.oom.group')
  const folder = oomGroup(system, cgroup)
  if (folder === undefined) return check.ok('memory.oom.group is not set')
  const mend =
    `echo 0 > ${folder}/memory.oom.group, or in Kubernetes singleProcessOOMKill: true in the kubelet's configuration; else size ` +
    'the limit for the worst case'
  return check.warn(`memory.oom.group is 1 in ${folder}`, mend)
}
