import type { Check } from './check'
import { checkDirectoryOf, checkSharedDisk } from './disks'
import { checkHugePages, checkPackedHeap } from './huge-pages'
import { checkKernel, checkLibc } from './kernel'
import { checkAddressSpace, checkCore, checkFiles, checkFileSize, checkProcesses } from './limits'
import { checkHeadroom, checkOomGroup, checkOvercommit } from './memory'
import { checkAddon, checkFlags, checkHeapLimit, checkNode } from './node'
import { checkPostgres } from './postgres'
import type { Subject } from './subject'
import { checkSystemd } from './systemd'

/** Everything that is looked at, in the order in which it is told. */
const CHECKS: readonly ((subject: Subject) => Check | Promise<Check>)[] = [
  checkNode,
  checkFlags,
  checkAddon,
  checkPackedHeap,
  checkKernel,
  checkLibc,
  checkHugePages,
  checkOvercommit,
  checkHeadroom,
  checkHeapLimit,
  checkOomGroup,
  checkProcesses,
  checkFiles,
  checkAddressSpace,
  checkFileSize,
  checkCore,
  checkSystemd,
  (subject) => checkDirectoryOf('slices', subject),
  (subject) => checkDirectoryOf('log', subject),
  checkSharedDisk,
  checkPostgres,
]

export async function runChecks(subject: Subject): Promise<Check[]> {
  const checks: Check[] = []
  for (const check of CHECKS) checks.push(await check(subject))
  return checks
}
