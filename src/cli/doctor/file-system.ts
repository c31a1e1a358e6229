import { statfsSync } from 'node:fs'
import { bytesText } from '../output'
import type { Finding } from './check'

/** What statfs(2) says of the file system of a directory. */
export interface FileSystem {
  /** Its magic number. */
  readonly type: number
  /** For this user, without what is kept for root. */
  readonly freeBytes: number
  readonly totalBytes: number
  readonly freeInodes: number
  /** 0 where they are made as they are needed. */
  readonly inodes: number
}

export function fileSystemOf(directory: string): FileSystem {
  const { type, bavail, bsize, blocks, ffree, files } = statfsSync(directory)
  return { type, freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: ffree, inodes: files }
}

/** How much room is needed in a directory, in bytes. */
export interface Room {
  /** With less what comes next does not fit. */
  readonly neededBytes: number
  /** What that is. */
  readonly next: string
  /** With less it fits, but not for long. */
  readonly wantedBytes: number
  /** What that is for. */
  readonly all: string
}

/** Magic numbers of statfs(2): tmpfs, ramfs. */
const IN_MEMORY = [0x01021994, 0x858458f6]
/** overlayfs, aufs. */
const LAYERS = [0x794c7630, 0x61756673]
/** NFS, CIFS, SMB 2, 9p, Ceph, Lustre, GPFS, AFS; what is under FUSE is often one too. */
const NETWORK = [
  ...[0x6969, 0xff534d42, 0xfe534d42, 0x01021997, 0x00c36400, 0x0bd00bd0, 0x47504653, 0x5346414f],
  0x65735546,
]
/** A slice or segment, the file that replaces it, and some for others. */
const INODES_MIN = 16

/** Everything that is wrong with a file system for slices or a log, each for itself. */
export function fileSystemFindings(fileSystem: FileSystem, room: Room): Finding[] {
  return [...kindFindings(fileSystem), ...roomFindings(fileSystem, room)]
}

function kindFindings({ type }: FileSystem): Finding[] {
  if (IN_MEMORY.includes(type)) {
    const mend = 'use a disk: what is in memory is gone after a restart'
    return [{ status: 'fail', found: 'it is in memory (tmpfs)', mend }]
  }
  if (LAYERS.includes(type)) {
    const mend = 'mount a volume there: the layer goes with the container'
    return [{ status: 'warn', found: "it is in a container's own layer (overlay)", mend }]
  }
  if (NETWORK.includes(type)) {
    const mend = 'see that its locks (flock) hold between machines and that fsync reaches a disk, or use a local disk'
    return [{ status: 'warn', found: 'it is on a network file system', mend }]
  }
  return []
}

function roomFindings({ freeBytes, freeInodes, inodes }: FileSystem, room: Room): Finding[] {
  const findings: Finding[] = []
  const mend = 'free some space, or use a larger disk'
  if (freeBytes < room.neededBytes) {
    const found = `that is too little for ${room.next}, which needs about ${bytesText(room.neededBytes)}`
    findings.push({ status: 'fail', found, mend })
  } else if (freeBytes < room.wantedBytes) {
    const found = `${bytesText(room.wantedBytes)} should be free for ${room.all}`
    findings.push({ status: 'warn', found, mend })
  }
  if (inodes > 0 && freeInodes < INODES_MIN) {
    const found = `only ${freeInodes} of ${inodes} inodes are left`
    findings.push({ status: 'fail', found, mend: 'remove files, or make a file system with more inodes' })
  }
  return findings
}
