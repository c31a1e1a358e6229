import { bytesText } from '../output'
import { join } from 'node:path'
import { cgroupOf } from './cgroup'
import { type Check, type Finding, judge } from './check'
import type { Subject } from './subject'
import type { System } from './system'

/** Soft limits, Infinity for none; undefined where they cannot be read. */
function limitOf(system: System, pid: string, name: string): number | undefined {
  const line = system.lines(`/proc/${pid}/limits`).find((one) => one.startsWith(name))
  const soft = line?.slice(name.length).trim().split(/\s+/)[0]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Infinity : Number(soft)
}

const UNREADABLE = 'the limits of the process cannot be read here'

/** Judges a limit of the process, if it can be read. */
function judgeLimit(
  { system, pid }: Subject,
  check: ReturnType<typeof judge>,
  name: string,
  found: (limit: number) => Check,
): Check {
  const limit = limitOf(system, pid, name)
  return limit === undefined ? check.skipped(UNREADABLE) : found(limit)
}

const PROCESSES_WHY =
  'A snapshot is a process more, and a database writer another one: at the limit fork() fails with EAGAIN.'
/** The writer process, a child that is being reaped and the next one, with some room. */
const PROCESSES_LEFT = 8

export function checkProcesses({ system, pid }: Subject): Check {
  const check = judge('limit-processes', PROCESSES_WHY)
  const findings: Finding[] = []
  const group = pidsGroup(system, pid)
  if (group !== undefined && group.limit - group.used < PROCESSES_LEFT) {
    const mend = 'raise pids.max (systemd: TasksMax=, Docker: --pids-limit, Kubernetes: podPidsLimit)'
    const found = `${group.used} of ${group.limit} processes and threads of ${group.folder} exist`
    findings.push({ status: 'fail', found, mend })
  }
  const limit = limitOf(system, pid, 'Max processes')
  if (limit === undefined) return findings.length === 0 ? check.skipped(UNREADABLE) : check.all(UNREADABLE, findings)
  if (limit === Infinity) return check.all('no RLIMIT_NPROC', findings)
  const user = userOf(system, pid)
  // Nobody counts the processes of root; that of a user namespace is an ordinary user outside it.
  if (user === '0' && isMachineRoot(system, pid))
    return check.all(`RLIMIT_NPROC is ${limit}, which does not hold for root`, findings)
  const used = threadsOf(system, user)
  if (limit - used < PROCESSES_LEFT) {
    const mend = 'raise RLIMIT_NPROC (systemd: LimitNPROC=, /etc/security/limits.conf: nproc)'
    findings.push({ status: 'fail', found: `fewer than ${PROCESSES_LEFT} are left`, mend })
  }
  return check.all(`RLIMIT_NPROC is ${limit}, and the user has ${used} processes and threads`, findings)
}

interface PidsGroup {
  readonly folder: string
  readonly limit: number
  readonly used: number
}

/** Of the groups with a limit that in which the fewest are left: an outer one may be fuller than the process's own. */
function pidsGroup(system: System, pid: string): PidsGroup | undefined {
  const groups = (cgroupOf(system, pid, 'pids')?.folders ?? []).flatMap((folder): PidsGroup[] => {
    const limit = system.number(join(folder, 'pids.max')) ?? Infinity
    const used = system.number(join(folder, 'pids.current'))
    return limit === Infinity || used === undefined ? [] : [{ folder, limit, used }]
  })
  return groups.sort((a, b) => a.limit - a.used - (b.limit - b.used))[0]
}

const userOf = (system: System, pid: string): string | undefined => system.word(`/proc/${pid}/status`, 'Uid')

const isMachineRoot = (system: System, pid: string): boolean =>
  /^\s*0\s+0\s/.test(system.text(`/proc/${pid}/uid_map`) ?? '0 0 ')

/** The kernel counts a user's threads, not only processes. */
function threadsOf(system: System, user: string | undefined): number {
  const pids = system.names('/proc').filter((name) => /^\d+$/.test(name))
  const own = pids.filter((pid) => userOf(system, pid) === user)
  return own.reduce((sum, pid) => sum + Number(system.word(`/proc/${pid}/status`, 'Threads') ?? 1), 0)
}

const FILES_WHY =
  'Slices, segments of the log, connections of clients and of the database are open files; at the limit EMFILE fails them.'
const [FILES_MIN, FILES_WANTED] = [64, 1024]

export function checkFiles(subject: Subject): Check {
  const check = judge('limit-files', FILES_WHY)
  return judgeLimit(subject, check, 'Max open files', (limit) => {
    const mend = 'raise it (ulimit -n, systemd: LimitNOFILE=)'
    const found = `RLIMIT_NOFILE is ${limit === Infinity ? 'unlimited' : limit}`
    if (limit < FILES_MIN) return check.fail(found, mend)
    return limit < FILES_WANTED ? check.warn(found, mend) : check.ok(found)
  })
}

const SPACE_WHY =
  'Node reserves far more address space than it uses. Under a limit (ulimit -v) allocations and forks fail long before memory is ' +
  'short, and the heap cannot be packed.'

export function checkAddressSpace(subject: Subject): Check {
  const check = judge('limit-address-space', SPACE_WHY)
  return judgeLimit(subject, check, 'Max address space', (limit) => {
    if (limit === Infinity) return check.ok('no limit')
    return check.fail(`RLIMIT_AS is ${bytesText(limit)}`, 'remove it (ulimit -v unlimited, systemd: LimitAS=infinity)')
  })
}

const FILE_SIZE_WHY = 'A slice or a segment that would become longer than RLIMIT_FSIZE fails with EFBIG.'

export function checkFileSize(subject: Subject): Check {
  const check = judge('limit-file-size', FILE_SIZE_WHY)
  return judgeLimit(subject, check, 'Max file size', (limit) => {
    if (limit === Infinity) return check.ok('no limit')
    const { stateBytes } = subject
    const found = `RLIMIT_FSIZE is ${bytesText(limit)}`
    const mend = 'remove it (ulimit -f unlimited, systemd: LimitFSIZE=infinity)'
    return stateBytes !== undefined && limit < stateBytes ? check.fail(found, mend) : check.warn(found, mend)
  })
}

const CORE_WHY =
  'A server that crashes with core dumps switched on writes all of its memory to the disk: it fills up, the restart waits, and the state ' +
  'lies there. The child of a snapshot never dumps core.'

export function checkCore(subject: Subject): Check {
  const check = judge('limit-core', CORE_WHY)
  return judgeLimit(subject, check, 'Max core file size', (limit) => {
    if (limit === 0) return check.ok('no core dumps')
    const pattern = subject.system.text('/proc/sys/kernel/core_pattern')
    if (pattern === undefined) return check.skipped('where core dumps go cannot be read here')
    if (pattern.startsWith('|')) return check.ok('core dumps go to a program, which has limits of its own')
    const size = limit === Infinity ? 'unlimited' : bytesText(limit)
    const mend = 'ulimit -c 0 (systemd: LimitCORE=0), or let a program take the dumps, as systemd-coredump does'
    return check.warn(`RLIMIT_CORE is ${size}, and dumps become files`, mend)
  })
}
