import { appendFileSync } from 'node:fs'

/**
 * Failpoints: places at which a test makes the process die or a system call fail, before and after every step that the
 * safety of slices and logs rests on. Without the variables below they do nothing.
 *
 *   FORKSNAP_FAILPOINT=<name>          the process kills itself with SIGKILL when it comes there
 *   FORKSNAP_FAILPOINT=<name>:<nth>    when it comes there for the nth time, counted from 1
 *   FORKSNAP_FAILPOINT=<name>=error    an error as of a broken disk (EIO) is thrown there instead, each time;
 *   FORKSNAP_FAILPOINT=<name>:<nth>=error   or the nth time only
 *   FORKSNAP_SKIP_SYNC=<step>[,...]    the syncs of these steps are left out, to show that a test notices
 *   FORKSNAP_FAILPOINT_TRACE=<file>    the name of each failpoint that is passed is appended to this file, one a line
 *
 * A child process inherits them with the environment, and so each process counts for itself.
 */

/** Steps that have a failpoint before and one after: `<step>.before`, `<step>.after`. */
const STEPS = [
  'oplog.file.write', // a group of batches into the active segment
  'oplog.file.segment.rename', // a new segment gets its name
  'oplog.file.prune.unlink',
  'oplog.file.reset.unlink', // a segment of an epoch that a reset has ended
  'oplog.file.cut.truncate', // a torn tail, at the start
  'oplog.postgres.append', // one batch and its COMMIT, which are one statement
  'oplog.postgres.prune', // one transaction of several
  'oplog.postgres.reset',
  'store.postgres.fifo', // the channel of a slice, once its folder is there, in the writer process
  'store.postgres.copy', // one table's rows, in the writer process
  'store.postgres.insert', // the rows of the catalogue, in the writer process
  'store.postgres.commit', // COMMIT of a slice, in the writer process
  'store.postgres.published', // the writer's answer, in the parent
  'store.postgres.prune', // the transaction that removes old slices
  'store.postgres.spool.load', // a spooled slice into the database
  'store.postgres.spool.unlink', // its file, once it is in the database
  'snapshot.log-sync', // after the child's clean end
  'snapshot.commit',
  'snapshot.retention', // old slices are removed
  'snapshot.log-prune', // the log behind the oldest slice that is kept
  'slice.child.sync', // the child's own; the store syncs all of it once more
  'store.file.slice.rename', // a slice gets its name
  'store.file.remove.unlink',
  'store.file.broken.rename', // a damaged slice is kept aside
  'store.file.epoch.rename',
  'store.command.start.rename', // a slice that a crash left unfinished is to be removed
  'store.command.begin.create', // an id is taken
  'store.command.publish.write', // what a slice is, before it gets its name
  'store.command.publish.rename', // a slice gets its name
  'store.command.withdraw.rename', // a slice that failed is to be removed
  'store.command.unlist.rename', // so is one that is not kept any more
  'store.command.remove', // the command that removes bytes
  'store.command.forget.rename', // what was to be removed is
  'store.command.broken.rename',
] as const

/** Steps that sync something, with the same two failpoints. `FORKSNAP_SKIP_SYNC` leaves them out. */
const SYNC_STEPS = [
  'oplog.file.sync', // the active segment, a group commit
  'oplog.file.segment.sync', // the header of a new segment, before it gets its name
  'oplog.file.segment.directory-sync', // the name of a new segment
  'oplog.file.prune.directory-sync', // the removal of a segment
  'oplog.file.start.sync', // the tail that a start found and goes on from
  'oplog.file.start.directory-sync', // the names of the segments that it found
  'store.file.start.directory-sync', // the names of the slices and of the epoch that a start found
  'store.file.slice.sync', // a whole slice, before it gets its name
  'store.file.slice.directory-sync', // its name
  'store.file.remove.directory-sync', // the removal of old slices
  'store.file.broken.directory-sync',
  'store.file.epoch.sync', // the file of the epoch, before it gets its name
  'store.file.epoch.directory-sync',
  'store.command.start.directory-sync', // the names that a start found
  'store.command.begin.directory-sync', // an id that is taken
  'store.command.publish.sync', // what a slice is, before it gets its name
  'store.command.publish.directory-sync', // its name
  'store.command.unlist.directory-sync', // slices whose bytes are about to be removed
  'store.command.broken.directory-sync',
  'store.command.epoch.directory-sync',
  'store.postgres.spool.start.directory-sync', // the names that a start found in the spool, and those it did not find
  'store.postgres.spool.unlink.directory-sync', // the removal of a slice's file
  'directory.create.sync', // the name of a new directory, in its parent
  'directory.found.sync', // the same of one that was found and may be as new
] as const

export type SyncStep = (typeof SYNC_STEPS)[number]
export type Step = (typeof STEPS)[number] | SyncStep
export type Failpoint = `${Step}.before` | `${Step}.after`

/** The steps whose sync can be left out. */
export const syncSteps: readonly SyncStep[] = SYNC_STEPS

/** Every failpoint there is. */
export const failpoints: readonly Failpoint[] = [
  ...[...STEPS, ...SYNC_STEPS].flatMap((step): Failpoint[] => [`${step}.before`, `${step}.after`]),
]

/** Does nothing, unless a test has chosen this place: then the process ends here, or an error is thrown. */
export function failpoint(name: Failpoint): void {
  if (trace !== undefined) appendFileSync(trace, `${name}\n`)
  if (armed === undefined || armed.name !== name) return
  armed.passed += 1
  if (armed.nth !== undefined && armed.passed !== armed.nth) return
  if (armed.throws) throw brokenDisk(name)
  process.kill(process.pid, 'SIGKILL')
}

/** Runs a step between its two failpoints. */
export async function step<T>(name: Exclude<Step, SyncStep>, work: () => Promise<T>): Promise<T> {
  failpoint(`${name}.before`)
  const result = await work()
  failpoint(`${name}.after`)
  return result
}

/** Runs a sync between its two failpoints, unless a test has asked for it to be left out. */
export async function syncStep(name: SyncStep, sync: () => Promise<unknown>): Promise<void> {
  failpoint(`${name}.before`)
  if (!skipped.has(name)) await sync()
  failpoint(`${name}.after`)
}

interface Armed {
  readonly name: string
  readonly nth: number | undefined
  readonly throws: boolean
  passed: number
}

const trace = process.env.FORKSNAP_FAILPOINT_TRACE
const armed = parseArmed(process.env.FORKSNAP_FAILPOINT)
const skipped = new Set(parseSkipped(process.env.FORKSNAP_SKIP_SYNC))

/** A misspelt name would let a test pass that tests nothing, so it is refused. */
function parseArmed(text: string | undefined): Armed | undefined {
  if (text === undefined || text === '') return undefined
  const [, name = '', nth, error] = /^([a-z.-]+)(?::([1-9]\d*))?(=error)?$/.exec(text) ?? []
  if (!(failpoints as readonly string[]).includes(name)) {
    throw new Error(`FORKSNAP_FAILPOINT=${text} names no failpoint; src/failpoint.ts lists them`)
  }
  return { name, nth: nth === undefined ? undefined : Number(nth), throws: error !== undefined, passed: 0 }
}

function parseSkipped(text: string | undefined): string[] {
  const names = (text ?? '').split(',').filter((name) => name !== '')
  const unknown = names.find((name) => !(syncSteps as readonly string[]).includes(name))
  if (unknown !== undefined) {
    throw new Error(`FORKSNAP_SKIP_SYNC=${unknown} names no sync; src/failpoint.ts lists them`)
  }
  return names
}

function brokenDisk(name: string): Error {
  const error = new Error(`EIO: i/o error, at the failpoint ${name}`)
  return Object.assign(error, { code: 'EIO', syscall: 'failpoint' })
}
