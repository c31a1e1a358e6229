import { statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { System } from './system'

/** The device of a file system; undefined if the path cannot be reached. */
export function deviceOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).dev
  } catch {
    return undefined
  }
}

/** The whole disks that a device lies on; none where it is no block device (tmpfs, NFS), or is not known here. */
export function disksOf(system: System, device: bigint): string[] {
  return disksBelow(system, `/sys/dev/block/${majorOf(device)}:${minorOf(device)}`)
}

/** As makedev(3) of the GNU C library puts them together. */
const majorOf = (device: bigint): bigint => ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
const minorOf = (device: bigint): bigint => (device & 0xffn) | ((device >> 12n) & 0xffffff00n)

/** A partition lies in the folder of its disk; a volume of LVM, RAID or an encrypted one names what it is made of. */
function disksBelow(system: System, link: string): string[] {
  const path = system.link(link)
  if (path === undefined) return []
  if (system.text(`${link}/partition`) !== undefined) return [basename(dirname(path))]
  const parts = system.names(`${link}/slaves`)
  if (parts.length === 0) return [basename(path)]
  return parts.flatMap((name) => disksBelow(system, `/sys/class/block/${name}`))
}
