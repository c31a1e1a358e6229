import { glibcVersion } from '../../libc'
import { type Check, judge } from './check'
import type { Subject } from './subject'
import type { System } from './system'

/** Undefined where it cannot be read. */
function kernelVersion(system: System): readonly [major: number, minor: number] | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(system.text('/proc/sys/kernel/osrelease') ?? '') ?? []
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)]
}

export function kernelAtLeast(system: System, major: number, minor: number): boolean {
  const version = kernelVersion(system)
  return version !== undefined && (version[0] > major || (version[0] === major && version[1] >= minor))
}

const KERNEL_WHY =
  'A fork works on any kernel that Node runs on. Newer ones make it safer and shorter: pidfd_open (5.3), close_range (5.9), ' +
  'and MADV_COLLAPSE (6.1), which makes the pages of a packed heap huge again after a snapshot.'

export function checkKernel({ system }: Subject): Check {
  const check = judge('kernel', KERNEL_WHY)
  const release = system.text('/proc/sys/kernel/osrelease')
  if (release === undefined) return check.skipped('the version of the kernel cannot be read here')
  if (!kernelAtLeast(system, 5, 3)) return check.warn(`Linux ${release} is old`, 'use Linux 5.10 or newer, best 6.1')
  return check.ok(`Linux ${release}${kernelAtLeast(system, 6, 1) ? '' : ', without MADV_COLLAPSE'}`)
}

const LIBC_WHY =
  'What is tested is the GNU C library. forksnap compiles with musl, and a packed heap needs the GNU C library.'

export function checkLibc(): Check {
  const check = judge('libc', LIBC_WHY)
  const version = glibcVersion()
  if (version !== undefined) return check.ok(`glibc ${version}`)
  if (process.platform !== 'linux') return check.skipped(`${process.platform} has a C library of its own`)
  return check.warn(
    'this Node uses no glibc, so probably musl',
    'use an image with glibc, such as node:24-bookworm-slim',
  )
}
