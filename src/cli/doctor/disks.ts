import { statfsSync, statSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { FileStore } from '../../store/file'
import { errnoOf } from '../../errors'
import { checkDirectory } from '../../store/safe-open'
import { messageOf } from '../failure'
import { bytesText } from '../output'
import { type Check, judge } from './check'
import type { Subject } from './subject'

type Kind = 'slices' | 'log'

const DIRECTORY_WHY = {
  slices: 'A slice must find room beside the last good one, which goes only afterwards, and must outlive the machine.',
  log: 'A log that finds no room for an entry stops, and with it the server.',
} as const

/** Magic numbers of statfs(2). */
const TMPFS = 0x01021994
const OVERLAY = 0x794c7630
const NETWORK = [0x6969, 0xff534d42, 0xfe534d42]
/** Of a file system that is all but full. */
const FREE_PART_MIN = 0.1

export async function checkDirectoryOf(kind: Kind, { slices, log, stateBytes }: Subject): Promise<Check> {
  const check = judge(`disk-${kind}`, DIRECTORY_WHY[kind])
  const directory = kind === 'slices' ? slices : log
  if (directory === undefined) return check.skipped(`give --${kind} DIRECTORY`)
  try {
    await checkDirectory(directory)
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      return check.fail(`${directory} does not exist`, 'see the path; the first start of the server creates it')
    return check.fail(messageOf(error), 'run as the user of the server, and give it the directory (chown, chmod 700)')
  }
  const { type, bavail, bsize, blocks, ffree, files } = statfsSync(directory)
  const free = bavail * bsize
  const found = `${bytesText(free)} of ${bytesText(blocks * bsize)} free for ${directory}`
  if (type === TMPFS)
    return check.fail(`${found}, which is in memory (tmpfs)`, 'use a disk: what is here is gone after a restart')
  if (files > 0 && ffree === 0) return check.fail(`${found}, but no inode is left`, 'remove files')
  const needed = kind === 'slices' ? await sliceBytes(directory, stateBytes).catch(messageOf) : 0
  if (typeof needed === 'string') return check.fail(needed, 'see "forksnap list" of the directory')
  const mend = 'free some space, or use a larger disk'
  if (free < needed) return check.fail(`${found}, and a slice needs about ${bytesText(needed)}`, mend)
  if (free < 2 * needed || free < blocks * bsize * FREE_PART_MIN) return check.warn(found, mend)
  if (type === OVERLAY)
    return check.warn(`${found}, in a container's own layer`, 'mount a volume there: the layer goes with the container')
  if (NETWORK.includes(type)) {
    return check.warn(
      `${found}, on a network file system`,
      'see that its locks (flock) hold between machines, or use a local disk',
    )
  }
  return check.ok(found)
}

/** What the next slice will have: as much as the newest one, or as the state if there is none. */
async function sliceBytes(directory: string, stateBytes: number | undefined): Promise<number> {
  const [newest] = await new FileStore({ directory }).list()
  return newest?.bytes ?? stateBytes ?? 0
}

const SHARED_WHY =
  'While a slice is written, the fsyncs of a log on the same disk wait behind it, and so do the answers of the server. And what ' +
  'takes one away takes both.'

export function checkSharedDisk({ slices, log }: Subject): Check {
  const check = judge('disk-shared', SHARED_WHY)
  if (slices === undefined || log === undefined) return check.skipped('give --slices DIRECTORY and --log DIRECTORY')
  const [a, b] = [slices, log].map(deviceOf)
  if (a === undefined || b === undefined) return check.skipped('one of the two is not there, or cannot be reached')
  if (a !== b) return check.ok('slices and log are on two file systems')
  return check.warn(
    'slices and log are on one file system',
    'put the log on a disk of its own, or keep a copy of the slices elsewhere',
  )
}

/** Why a directory cannot be reached is told by the check of that directory. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev
  } catch {
    return undefined
  }
}
