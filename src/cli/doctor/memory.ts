import { bytesText } from '../output'
import { cgroupOf, type MemoryLimit, memoryLimits, oomGroup } from './cgroup'
import { type Check, judge } from './check'
import { kernelAtLeast } from './kernel'
import { type Subject, writableBytes } from './subject'
import type { System } from './system'

/** What a process could still get, what sets the bound, and how to have more. */
export interface Available {
  readonly bytes: number
  readonly bound: string
  readonly raise: string
}

/** The smallest of what the machine and each cgroup of the process have left; undefined where nothing tells. */
export function availableMemory(system: System, pid: string): Available | undefined {
  const machine = system.kilobytes('/proc/meminfo', 'MemAvailable')
  const all = limitsOf(system, pid).map(leftBy)
  if (machine !== undefined) {
    all.push({ bytes: machine, bound: 'the memory of the machine', raise: 'use a machine with more memory' })
  }
  return all.sort((a, b) => a.bytes - b.bytes)[0]
}

function limitsOf(system: System, pid: string): MemoryLimit[] {
  const cgroup = cgroupOf(system, pid, 'memory')
  return cgroup === undefined ? [] : memoryLimits(system, cgroup)
}

function leftBy(limit: MemoryLimit): Available {
  const { folder, file, limitBytes, usedBytes, reclaimableBytes } = limit
  const reclaimable = Math.min(usedBytes, reclaimableBytes)
  const taken = reclaimable > 0 ? `, ${bytesText(reclaimable)} of it pages of files that go when memory is short` : ''
  return {
    bytes: Math.max(0, limitBytes - usedBytes + reclaimable),
    bound: `${nameOf(limit)}, ${bytesText(usedBytes)} in use${taken}`,
    raise: `raise ${file} in ${folder} (${WHERE_SET[file]})`,
  }
}

const nameOf = ({ folder, file, limitBytes }: MemoryLimit): string =>
  `the limit of ${bytesText(limitBytes)} in ${folder}/${file}`

const MAX_SET = 'systemd: MemoryMax=, Docker: --memory, Kubernetes: resources.limits.memory'
const WHERE_SET: { readonly [file in MemoryLimit['file']]: string } = {
  'memory.max': MAX_SET,
  'memory.limit_in_bytes': MAX_SET,
  'memory.high': 'systemd: MemoryHigh=',
}

/** All the memory that a process may ever have, and what says so; undefined where nothing tells. */
export function memoryCeiling(system: System, pid: string): { bytes: number; bound: string } | undefined {
  const machine = system.kilobytes('/proc/meminfo', 'MemTotal')
  if (machine === undefined) return undefined
  const all = limitsOf(system, pid).map((limit) => ({ bytes: limit.limitBytes, bound: nameOf(limit) }))
  all.push({ bytes: machine, bound: 'the memory of the machine' })
  return all.sort((a, b) => a.bytes - b.bytes)[0]
}

const HEADROOM_WHY =
  'While a snapshot is written, each page that the server changes exists twice: a quarter of the state is usual, all of it ' +
  'the worst case. Without room for them the OOM killer comes, or above memory.high the kernel slows the server down.'
/** Part of the state that a server changes while a snapshot is written, as one must reckon with. */
const USUAL_PART = 0.25

export function checkHeadroom({ system, pid, stateBytes, residentBytes }: Subject): Check {
  const check = judge('memory', HEADROOM_WHY)
  const available = availableMemory(system, pid)
  if (available === undefined) return check.skipped('how much memory is free cannot be read here')
  const left = `${bytesText(available.bytes)} can be had (bound: ${available.bound})`
  if (stateBytes === undefined)
    return check.skipped(`${left}; give --state-bytes or --pid to compare it with the state`)
  const toCome = Math.max(0, stateBytes - residentBytes)
  const parts =
    residentBytes === 0 ? 'to come' : toCome === 0 ? 'in memory' : `of which ${bytesText(toCome)} are to come`
  const found = `${left}, a state of ${bytesText(stateBytes)} ${parts}`
  const needed = toCome + stateBytes
  const mend = `${available.raise}, so that ${bytesText(needed)} can be had; an Arena, or fewer writes during a snapshot, keep copies few`
  if (available.bytes >= needed) return check.ok(found)
  if (available.bytes >= toCome + stateBytes * USUAL_PART)
    return check.warn(`${found}: not enough for the worst case`, mend)
  return check.fail(`${found}: not enough for a snapshot under load`, mend)
}

const OVERCOMMIT_WHY =
  'fork() promises the child all the memory that the parent may write to, though little of it is ever copied. A kernel that ' +
  'keeps account of promises refuses the fork with ENOMEM.'
const OVERCOMMIT_MEND = 'sysctl vm.overcommit_memory=1, and the same line in /etc/sysctl.d/forksnap.conf'
const [HEURISTIC, ALWAYS, STRICT] = [0, 1, 2]

export function checkOvercommit(subject: Subject): Check {
  const check = judge('overcommit', OVERCOMMIT_WHY)
  const { system } = subject
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
  return judgeStrict(check, subject)
}

function judgeStrict(check: ReturnType<typeof judge>, { system, pid, stateBytes, residentBytes }: Subject): Check {
  const limit = system.kilobytes('/proc/meminfo', 'CommitLimit')
  const promised = system.kilobytes('/proc/meminfo', 'Committed_AS')
  const mode = 'vm.overcommit_memory is 2'
  if (limit === undefined || promised === undefined) return check.warn(`${mode} (strict)`, OVERCOMMIT_MEND)
  const left = Math.max(0, limit - promised)
  const found = `${mode}: ${bytesText(left)} of CommitLimit ${bytesText(limit)} can still be promised`
  if (stateBytes === undefined) return check.warn(found, OVERCOMMIT_MEND)
  // What is still to come is promised to the server first, and then to the child.
  const toCome = Math.max(0, stateBytes - residentBytes)
  const forked = residentBytes === 0 ? 0 : Math.max(residentBytes, writableBytes(system, pid))
  const needed = forked + 2 * toCome
  if (left < needed) return check.fail(`${found}, ${bytesText(needed)} are needed`, OVERCOMMIT_MEND)
  return check.warn(`${found}, enough for ${bytesText(needed)} as long as nobody else is promised it`, OVERCOMMIT_MEND)
}

const OOM_GROUP_WHY =
  'The child of a snapshot is the first that the OOM killer takes, and the server goes on. With memory.oom.group all processes of ' +
  'the group are killed together, the server among them. Kubernetes sets it, and so does OOMPolicy=kill of systemd.'

export function checkOomGroup({ system, pid }: Subject): Check {
  const check = judge('oom-group', OOM_GROUP_WHY)
  const cgroup = cgroupOf(system, pid, 'memory')
  if (cgroup?.version !== 2)
    return check.ok('no cgroup of version 2 limits the memory, so there is no memory.oom.group')
  const folder = oomGroup(system, cgroup)
  if (folder === undefined) {
    // The file is missing in the machine's topmost group; without any file of a group nothing is known.
    const seen = cgroup.folders.some((one) => system.names(one).some((name) => /^(cgroup|memory)\./.test(name)))
    return seen
      ? check.ok('memory.oom.group is not set')
      : check.skipped('the cgroup of the process cannot be seen here')
  }
  const mend =
    `echo 0 > ${folder}/memory.oom.group; under systemd OOMPolicy=continue, in Kubernetes singleProcessOOMKill: true in the kubelet's ` +
    'configuration; else size the limit for the worst case'
  return check.warn(`memory.oom.group is 1 in ${folder}`, mend)
}
