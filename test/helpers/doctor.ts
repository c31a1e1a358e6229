import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Check } from '../../src/cli/doctor/check'
import { runChecks } from '../../src/cli/doctor/checks'
import type { Subject } from '../../src/cli/doctor/subject'
import { System } from '../../src/cli/doctor/system'

/** What `forksnap doctor` makes of machines that cannot be set up here: their /proc, /sys and /etc are written down. */

export const GIB = 2 ** 30

/** What is in a file, or where a symbolic link points to. */
export type Files = Readonly<Record<string, string | { readonly to: string }>>

/** A machine with 64 GiB on which nothing is wrong. */
const MACHINE: Files = {
  '/proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
  '/proc/sys/vm/overcommit_memory': '1\n',
  '/proc/meminfo': meminfo(64, 60),
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
  '/proc/self/cgroup': '0::/\n',
  '/proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n',
}

export function meminfo(
  totalGib: number,
  availableGib: number,
  commit: readonly [limit: number, promised: number] = [32, 8],
): string {
  const lines = { MemTotal: totalGib, MemAvailable: availableGib, CommitLimit: commit[0], Committed_AS: commit[1] }
  return Object.entries(lines)
    .map(([name, gib]) => `${name}:    ${gib * 1024 * 1024} kB\n`)
    .join('')
}

const folders: string[] = []

/** For `afterAll`. */
export function removeMachines(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
}

/** What one check says of a machine with these files besides, and of a state of 4 GiB that is to come. */
export async function look(id: string, files: Files, about: Partial<Subject> = {}): Promise<Check> {
  const root = mkdtempSync(join(tmpdir(), 'forksnap-doctor-'))
  folders.push(root)
  for (const [path, content] of Object.entries({ ...MACHINE, ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    if (typeof content === 'string') writeFileSync(join(root, path), content)
    else symlinkSync(content.to, join(root, path))
  }
  const nothing = { slices: undefined, log: undefined, postgres: undefined, schema: 'public' }
  const subject = { system: new System(root), pid: 'self', stateBytes: 4 * GIB, residentBytes: 0, ...nothing, ...about }
  const check = (await runChecks(subject)).find((one) => one.id === id)
  if (check === undefined) throw new Error(`there is no check ${id}`)
  return check
}

/** Fields of memory.stat, in GiB, beside those that every group has. */
export type Statistics = Readonly<Record<string, number>>

/** A group of version 2 with a limit, in GiB. */
export function limited(folder: string, limit: number, used: number, statistics: Statistics = {}): Files {
  return group(folder, { 'memory.max': limit, 'memory.current': used }, { anon: used, shmem: 0, ...statistics })
}

/** The same of version 1. */
export function limitedV1(folder: string, limit: number, used: number, statistics: Statistics = {}): Files {
  return group(folder, { 'memory.limit_in_bytes': limit, 'memory.usage_in_bytes': used }, { cache: 0, ...statistics })
}

function group(folder: string, files: Statistics, statistics: Statistics): Files {
  const bytes = (gib: number): string => `${Math.round(gib * GIB)}\n`
  const written = Object.entries(files).map(([name, gib]) => [`${folder}/${name}`, bytes(gib)] as const)
  const lines = Object.entries(statistics).map(([name, gib]) => `${name} ${bytes(gib)}`)
  return { ...Object.fromEntries(written), [`${folder}/memory.stat`]: lines.join('') }
}
