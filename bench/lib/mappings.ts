/**
 * Writes down the memory mappings and resident pages of a process, for `bench/native/fork_floor.c` to replay: the
 * yardstick for the pause of a fork is a plain C program with the same mappings and pages.
 *
 * The file is text, one item a line, numbers in hexadecimal bytes but in the first line:
 *
 *     forksnap-mappings 1 4096          version, page size
 *     m <start> <length> rw-p           a mapping with its permissions, in the order of addresses
 *     r <start> <length>                a run of resident small pages of the mapping above
 *     h <start> <length>                a run of transparent huge pages of the mapping above
 *     o <start> <length>                at the end, where the kernel tells it: the small pages once more, in the order in
 *                                       which they lie in physical memory, a run that is contiguous there a line
 *
 * The kernel tells the order to who has CAP_SYS_ADMIN, and not in a user namespace of his own.
 *
 * Only anonymous pages are listed: `fork()` leaves file-backed and shared pages to later faults of the child. Mappings
 * marked MADV_DONTFORK are listed like the others, since a fork that works inherits them.
 */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'

export const PAGE_BYTES = 4096
export const HUGE_PAGE_BYTES = 2 << 20

export interface Mapping {
  /** First byte and the byte after the last. */
  readonly start: number
  readonly end: number
  /** As in `/proc/self/maps`, such as `rw-p`. */
  readonly permissions: string
  /** File or `[heap]`-like name, empty for plain anonymous memory. */
  readonly name: string
  readonly anonymousBytes: number
  /** Bytes in transparent huge pages. */
  readonly hugeBytes: number
}

export interface Run {
  readonly kind: 'small' | 'huge'
  readonly start: number
  readonly bytes: number
}

export interface MappingsSummary {
  readonly mappings: number
  /** Anonymous resident bytes, huge pages included. */
  readonly residentBytes: number
  readonly hugeBytes: number
  /** Whether the order of the pages in physical memory is in the file. */
  readonly physicalOrder: boolean
}

/** These belong to the kernel: every program has its own at an address of the kernel's choice. */
const KERNEL_MAPPINGS = new Set(['[vvar]', '[vvar_vclock]', '[vdso]', '[vsyscall]'])

/** A mapping's first line begins with its range; `AnonHugePages:` begins with a hexadecimal digit too, but has no range. */
const RANGE_LINE = /^([0-9a-f]+)-([0-9a-f]+) ([rwxsp-]{4}) \S+ \S+ \S+ *(.*)$/

const BIT_PRESENT = 0x80000000
const BIT_FILE_OR_SHARED = 0x20000000
const FRAME_HIGH_BITS = 0x7fffff

/** Parses the text of `/proc/<pid>/smaps`; the kernel's own mappings are left out. */
export function parseSmaps(text: string): Mapping[] {
  const mappings: Mapping[] = []
  let open: { -readonly [K in keyof Mapping]: Mapping[K] } | undefined
  for (const line of text.split('\n')) {
    const range = RANGE_LINE.exec(line)
    if (range) {
      const [, start = '', end = '', permissions = '', name = ''] = range
      open = { start: parseInt(start, 16), end: parseInt(end, 16), permissions, name, anonymousBytes: 0, hugeBytes: 0 }
      if (!KERNEL_MAPPINGS.has(name)) mappings.push(open)
    } else if (open && line.startsWith('Anonymous:')) {
      open.anonymousBytes = kibibytes(line)
    } else if (open && line.startsWith('AnonHugePages:')) {
      open.hugeBytes = kibibytes(line)
    }
  }
  return mappings
}

function kibibytes(line: string): number {
  return Number(/(\d+) kB$/.exec(line)?.[1] ?? 0) * 1024
}

/**
 * Joins the anonymous resident pages of a mapping to runs. `pagemap` holds the mapping's entries of `/proc/<pid>/pagemap`
 * (64 bits for each page). Which pages are huge is not told there, only how many bytes of the mapping are: the first
 * aligned and fully resident regions are taken for them.
 */
export function residentRuns(mapping: Mapping, pagemap: Buffer): Run[] {
  const runs: { kind: Run['kind']; start: number; bytes: number }[] = []
  const add = (kind: Run['kind'], start: number, bytes: number): void => {
    const last = runs.at(-1)
    if (last?.kind === kind && last.start + last.bytes === start) last.bytes += bytes
    else runs.push({ kind, start, bytes })
  }
  const resident = (address: number): boolean => isResident(pagemap, (address - mapping.start) / PAGE_BYTES)
  let hugeLeft = mapping.hugeBytes
  for (let at = mapping.start; at < mapping.end;) {
    if (hugeLeft > 0 && at % HUGE_PAGE_BYTES === 0 && isHugeCandidate(at, mapping.end, resident)) {
      add('huge', at, HUGE_PAGE_BYTES)
      hugeLeft -= HUGE_PAGE_BYTES
      at += HUGE_PAGE_BYTES
    } else {
      if (resident(at)) add('small', at, PAGE_BYTES)
      at += PAGE_BYTES
    }
  }
  return runs
}

function isResident(pagemap: Buffer, page: number): boolean {
  const flags = pagemap.readUInt32LE(page * 8 + 4)
  return flags >= BIT_PRESENT && (flags & BIT_FILE_OR_SHARED) === 0
}

function isHugeCandidate(start: number, end: number, resident: (address: number) => boolean): boolean {
  if (start + HUGE_PAGE_BYTES > end) return false
  for (let at = start; at < start + HUGE_PAGE_BYTES; at += PAGE_BYTES) if (!resident(at)) return false
  return true
}

/** The small pages that were found so far: where each lies for the process, and where in physical memory (its frame). */
class PhysicalOrder {
  private readonly starts = new Set<number>()
  private readonly addresses: number[] = []
  private readonly frames: number[] = []

  add({ kind, start, bytes }: Run, mapping: Mapping, pagemap: Buffer): void {
    if (kind === 'huge') return
    this.starts.add(mapping.start)
    for (let address = start; address < start + bytes; address += PAGE_BYTES) {
      const frame = frameOf(pagemap, (address - mapping.start) / PAGE_BYTES)
      if (frame === 0) continue
      this.addresses.push(address)
      this.frames.push(frame)
    }
  }

  /** Runs of one mapping that are contiguous in physical memory too, by their frames; none for who may not know these. */
  runs(): { readonly start: number; readonly bytes: number }[] {
    const { addresses, frames } = this
    const runs: { start: number; bytes: number }[] = []
    let nextFrame = 0
    for (const page of Uint32Array.from(frames.keys()).sort((a, b) => frames[a] - frames[b])) {
      const [address, frame] = [addresses[page], frames[page]]
      const last = runs.at(-1)
      const follows = last && last.start + last.bytes === address && frame === nextFrame && !this.starts.has(address)
      if (follows) last.bytes += PAGE_BYTES
      else runs.push({ start: address, bytes: PAGE_BYTES })
      nextFrame = frame + 1
    }
    return runs
  }
}

/** 0 for a process that may not know it: the kernel tells it with CAP_SYS_ADMIN only. */
function frameOf(pagemap: Buffer, page: number): number {
  return (pagemap.readUInt32LE(page * 8 + 4) & FRAME_HIGH_BITS) * 2 ** 32 + pagemap.readUInt32LE(page * 8)
}

/**
 * Writes the snapshot of a process (this one by default; another one must belong to the same user) to a file. Linux
 * only. A process that runs on meanwhile is caught approximately: what comes and goes during the scan may be missed.
 */
export function dumpMappings(path: string, pid: number | 'self' = 'self'): MappingsSummary {
  const mappings = parseSmaps(readFileSync(`/proc/${pid}/smaps`, 'latin1'))
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r')
  const lines = [`forksnap-mappings 1 ${PAGE_BYTES}`]
  const order = new PhysicalOrder()
  let residentBytes = 0
  let hugeBytes = 0
  try {
    for (const mapping of mappings) {
      lines.push(`m ${hex(mapping.start)} ${hex(mapping.end - mapping.start)} ${mapping.permissions}`)
      if (mapping.anonymousBytes === 0) continue
      const entries = readEntries(pagemap, mapping)
      for (const run of residentRuns(mapping, entries)) {
        order.add(run, mapping, entries)
        lines.push(`${run.kind === 'huge' ? 'h' : 'r'} ${hex(run.start)} ${hex(run.bytes)}`)
        residentBytes += run.bytes
        if (run.kind === 'huge') hugeBytes += run.bytes
      }
    }
  } finally {
    closeSync(pagemap)
  }
  const ordered = order.runs()
  for (const run of ordered) lines.push(`o ${hex(run.start)} ${hex(run.bytes)}`)
  writeFileSync(path, lines.join('\n') + '\n', { mode: 0o600 })
  return { mappings: mappings.length, residentBytes, hugeBytes, physicalOrder: ordered.length > 0 }
}

/** The entries of a mapping; zero, which is "not resident", where the mapping has gone since it was listed. */
function readEntries(pagemap: number, mapping: Mapping): Buffer {
  const entries = Buffer.alloc(((mapping.end - mapping.start) / PAGE_BYTES) * 8)
  const offset = (mapping.start / PAGE_BYTES) * 8
  for (let filled = 0; filled < entries.length;) {
    const got = readSync(pagemap, entries, filled, entries.length - filled, offset + filled)
    if (got === 0) break
    filled += got
  }
  return entries
}

function hex(value: number): string {
  return value.toString(16)
}
