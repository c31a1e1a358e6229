import { access, constants, stat } from 'node:fs/promises'
import { errnoOf } from '../../errors'
import { SEGMENT_BYTES_DEFAULT } from '../../oplog/file-options'
import { readSegmentNames } from '../../oplog/file-names'
import { FileStore } from '../../store/file'
import { KEEP_COUNT_DEFAULT } from '../../store/file-options'
import { checkDirectory } from '../../store/safe-open'
import { messageOf } from '../failure'
import { bytesText } from '../output'
import { deviceOf, disksOf } from './block-devices'
import { type Check, type Finding, judge } from './check'
import { fileSystemFindings, fileSystemOf, type Room } from './file-system'
import type { Subject } from './subject'

type Kind = 'slices' | 'log'

const DIRECTORY_WHY = {
  slices: 'A slice must find room beside the last good ones, which go only afterwards, and must outlive the machine.',
  log: 'A log that finds no room for an entry stops, and with it the server.',
} as const

export async function checkDirectoryOf(kind: Kind, subject: Subject): Promise<Check> {
  const check = judge(`disk-${kind}`, DIRECTORY_WHY[kind])
  const directory = subject[kind]
  if (directory === undefined) return check.skipped(`give --${kind} DIRECTORY`)
  try {
    await checkDirectory(directory)
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    return check.fail(...unusable(directory, error))
  }
  const fileSystem = fileSystemOf(directory)
  const findings: Finding[] = []
  let room: Room = { neededBytes: 0, next: '', wantedBytes: ROOM_BYTES_MIN, all: 'whatever comes' }
  try {
    room = await (kind === 'slices' ? roomForSlices(directory, subject.stateBytes) : roomForLog(directory))
  } catch (error) {
    const mend = `see "forksnap ${kind === 'slices' ? 'list' : 'log inspect'}" of the directory`
    findings.push({ status: 'fail', found: messageOf(error), mend })
  }
  findings.push(...fileSystemFindings(fileSystem, room))
  const { freeBytes, totalBytes } = fileSystem
  return check.all(`${bytesText(freeBytes)} of ${bytesText(totalBytes)} free for ${directory}`, findings)
}

function unusable(directory: string, error: unknown): [found: string, mend: string] {
  const errno = errnoOf(error)
  if (errno === 'ENOENT')
    return [`${directory} does not exist`, 'see the path; the first start of the server creates it']
  if (errno === 'EROFS') return [`${directory} is on a file system that is mounted read-only`, 'mount it for writing']
  return [messageOf(error), 'run as the user of the server, and give it the directory (chown, chmod 700)']
}

/** Below this a disk is full, however little is to be written: others write too. */
const ROOM_BYTES_MIN = 64 * 2 ** 20
/** Slices there must be room for although all that are kept are there: they grow. */
const SLICES_MIN = 2

/**
 * Slices have the size of the newest one, or of the state if there is none. Those that are missing for all that a store keeps,
 * and the one that it writes beside them, are still to come.
 */
export async function roomForSlices(directory: string, stateBytes: number | undefined): Promise<Room> {
  const slices = await new FileStore({ directory }).list()
  const bytes = slices[0]?.bytes ?? stateBytes ?? 0
  const toCome = Math.max(SLICES_MIN, KEEP_COUNT_DEFAULT + 1 - slices.length)
  return {
    neededBytes: bytes,
    next: 'the next slice',
    wantedBytes: Math.max(ROOM_BYTES_MIN, toCome * bytes),
    all: bytes === 0 ? 'slices' : `${toCome} more slices of about ${bytesText(bytes)}`,
  }
}

/** A log reaches back over as many intervals, each with a segment or more, and grows by one of them until the next slice is there. */
export async function roomForLog(directory: string): Promise<Room> {
  const intervals = KEEP_COUNT_DEFAULT + 1
  const { current, ended } = await readSegmentNames(directory)
  const sizes = await Promise.all([...current, ...ended].map(({ path }) => sizeOf(path)))
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  return {
    neededBytes: SEGMENT_BYTES_DEFAULT,
    next: 'a segment of the log',
    wantedBytes: Math.max(intervals * SEGMENT_BYTES_DEFAULT, Math.ceil(bytes / intervals)),
    all: 'what the log grows by until old segments go',
  }
}

/** 0 for a segment that a running server has removed meanwhile. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0
    throw error
  }
}

const SHARED_WHY =
  'While a slice is written, the fsyncs of a log on the same disk wait behind it, and so do the answers of the server. And what ' +
  'takes one away takes both.'

export function checkSharedDisk({ system, slices, log }: Subject): Check {
  const check = judge('disk-shared', SHARED_WHY)
  if (slices === undefined || log === undefined) return check.skipped('give --slices DIRECTORY and --log DIRECTORY')
  const [a, b] = [slices, log].map(deviceOf)
  // Why a directory cannot be reached is told by the check of that directory.
  if (a === undefined || b === undefined) return check.skipped('one of the two is not there, or cannot be reached')
  const mend = 'put the log on a disk of its own, or keep a copy of the slices elsewhere'
  if (a === b) return check.warn('slices and log are on one file system', mend)
  const disks = disksOf(system, a)
  const shared = disksOf(system, b).find((disk) => disks.includes(disk))
  if (shared !== undefined) return check.warn(`slices and log are on two file systems of one disk, ${shared}`, mend)
  return check.ok('slices and log are on two file systems')
}
