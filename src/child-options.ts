import * as check from './checks'
import { invalidArgument } from './checks'
import type { ChildOptions } from './fork-job'

const KEYS: readonly (keyof ChildOptions)[] = [
  'title',
  'nice',
  'cpuPriority',
  'ioPriority',
  'cpus',
  'oomScoreAdj',
  'coreDump',
  'v8Workers',
  'efficiencyMode',
]

/** Checks how a child is to be set up, and returns it. Throws `ERR_INVALID_ARGUMENT`. */
export function checkChildOptions(name: string, child: ChildOptions): ChildOptions {
  check.checkOptions(name, child, KEYS)
  const { title, nice, cpuPriority, ioPriority, cpus } = child
  const { oomScoreAdj, coreDump, v8Workers, efficiencyMode } = child
  if (title !== undefined && (typeof title !== 'string' || title === '' || title.includes('\0'))) {
    throw invalidArgument(`${name}.title`, 'a text that is not empty', title)
  }
  if (nice !== undefined) check.checkWhole(`${name}.nice`, nice, 0, 19)
  if (cpuPriority !== undefined && cpuPriority !== 'idle') {
    throw invalidArgument(`${name}.cpuPriority`, "'idle'", cpuPriority)
  }
  if (ioPriority !== undefined && ioPriority !== 'idle' && ioPriority !== 'best-effort-low') {
    throw invalidArgument(`${name}.ioPriority`, "'idle' or 'best-effort-low'", ioPriority)
  }
  if (cpus !== undefined) checkCpus(`${name}.cpus`, cpus)
  if (oomScoreAdj !== undefined) check.checkWhole(`${name}.oomScoreAdj`, oomScoreAdj, -1000, 1000)
  if (coreDump !== undefined) check.checkBoolean(`${name}.coreDump`, coreDump)
  if (v8Workers !== undefined) check.checkWhole(`${name}.v8Workers`, v8Workers, 0, 16)
  if (efficiencyMode !== undefined && efficiencyMode !== 'auto') {
    check.checkBoolean(`${name}.efficiencyMode`, efficiencyMode)
  }
  return child
}

function checkCpus(name: string, cpus: readonly number[]): void {
  if (!Array.isArray(cpus) || cpus.length === 0) throw invalidArgument(name, 'a list of CPU numbers', cpus)
  // The kernel's own bound on the number of CPUs is far below this.
  cpus.forEach((cpu, index) => check.checkWhole(`${name}[${index}]`, cpu, 0, 65_535))
}
