import type { Failpoint, SyncStep } from '../../src/failpoint'
import { Draw } from './draw'
import type { Fate } from './forgetful-disk'
import { Life, type Work } from './life'
import { Loss } from './model'
import type { Program } from './run'

/** A loss of power at the moment at which one step's sync is all that keeps something. */
export interface Probe {
  readonly program: Program
  /** Work that is done and closed before, on an empty directory. */
  readonly before?: Work
  /** Then a published slice is damaged. */
  readonly damage?: boolean
  /** Then a program is killed there: what it has not synced is still there for the next one. */
  readonly killAt?: Failpoint | `${Failpoint}:${number}`
  /** Then this is done, and the power goes. Without it the power goes at once. */
  readonly work?: Work
  /** Then, with power again, this is done, which finds what was lost. */
  readonly after?: Work
  /** What becomes of names that were not synced; bytes are lost. Default `none`. */
  readonly names?: Fate
}

/** By the step that must have synced. */
export const probes: { readonly [step in SyncStep]?: Probe } = {
  'oplog.file.sync': { program: 'engine', work: 30 },
  'oplog.file.segment.sync': { program: 'engine', killAt: 'oplog.file.segment.directory-sync.after:2' },
  'oplog.file.segment.directory-sync': { program: 'engine', work: 3 },
  'oplog.file.prune.directory-sync': {
    program: 'parts',
    before: 'append,append,append,append,append,append,append,append',
    work: 'prune',
    names: 'last',
  },
  'oplog.file.start.sync': { program: 'engine', killAt: 'oplog.file.sync.before:20', work: 0 },
  'oplog.file.start.directory-sync': {
    program: 'engine',
    killAt: 'oplog.file.segment.directory-sync.before',
    work: 3,
  },
  'store.file.start.directory-sync': {
    program: 'parts',
    before: 'save',
    killAt: 'store.file.slice.directory-sync.before',
    work: 0,
  },
  'store.file.slice.sync': { program: 'parts', work: 'save' },
  'store.file.slice.directory-sync': { program: 'parts', work: 'save' },
  'store.file.remove.directory-sync': { program: 'parts', work: 'save,save,save,save' },
  'store.file.broken.directory-sync': { program: 'parts', before: 'save,save', damage: true, work: 0 },
  'store.file.epoch.sync': { program: 'parts', work: 'save,epoch' },
  'store.file.epoch.directory-sync': { program: 'parts', work: 'save,epoch' },
  'store.command.start.directory-sync': {
    program: 'command-parts',
    before: 'save',
    killAt: 'store.command.publish.directory-sync.before',
    work: 0,
  },
  'store.command.begin.directory-sync': { program: 'command-parts', killAt: 'snapshot.commit.before', after: 'save' },
  'store.command.publish.sync': { program: 'command-parts', work: 'save' },
  'store.command.publish.directory-sync': { program: 'command-parts', work: 'save' },
  'store.command.unlist.directory-sync': { program: 'command-parts', killAt: 'store.command.remove.after' },
  'store.command.broken.directory-sync': { program: 'command-parts', before: 'save,save', damage: true, work: 0 },
  'store.command.epoch.directory-sync': { program: 'command-parts', work: 'save,epoch' },
  'directory.create.sync': { program: 'engine', work: 3 },
  'directory.found.sync': { program: 'engine', killAt: 'directory.create.sync.before', work: 3 },
}

/** What was lost, or undefined; `skip` is a step whose syncs are left out. Throws if a failpoint was not reached. */
export async function lossAt(probe: Probe, skip?: SyncStep): Promise<string | undefined> {
  const { program, before, damage = false, killAt, work, after, names = 'none' } = probe
  const counts = { cuts: 0, kills: 0, recoveries: 0, operations: 0, acknowledged: 0, saved: 0 }
  const life = await Life.begin({ program, draw: new Draw(1), skip, policy: 'always' }, counts)
  try {
    if (before !== undefined) await life.work(before)
    if (damage) life.damage()
    if (killAt !== undefined && !(await life.killAt(killAt))) throw new Error(`the program did not come to ${killAt}`)
    if (work === undefined) await life.lose(names, 'none')
    else await life.workAndLose(work, names, 'none')
    if (after !== undefined) await life.work(after)
    await life.verify()
    return undefined
  } catch (error) {
    if (error instanceof Loss) return error.message
    throw error
  } finally {
    await life.end()
  }
}
