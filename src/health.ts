import { ForksnapError } from './errors'
import type { SnapshotterStats } from './stats'

/** Whether saving works, and whether the engine should go on taking writes. */
export interface Health {
  /** False from a failed save until the next one that succeeds. */
  readonly ok: boolean
  /** False while `ok` is false and `stopWritesOnSaveError` is on. */
  readonly writable: boolean
  /** Why it is not ok, for people. */
  readonly reason?: string
  /** Since when it is not ok: milliseconds since the epoch, of the first failure in a row. */
  readonly since?: number
}

type HealthFigures = Pick<SnapshotterStats, 'lastStatus' | 'lastError' | 'failingSince' | 'scheduleStopped'>

/** Health follows from the stats alone. A snapshot that was ended on purpose is not in there, so it changes nothing. */
export function healthOf(stats: HealthFigures, stopWritesOnSaveError: boolean): Health {
  if (stats.lastStatus !== 'failed' || stats.lastError === null) return { ok: true, writable: true }
  const { code, message } = stats.lastError
  const { scheduleStopped } = stats
  return {
    ok: false,
    writable: !stopWritesOnSaveError,
    reason: `the last save failed (${code}): ${message}${scheduleStopped === null ? '' : '; the schedule has stopped'}`,
    ...(stats.failingSince === null ? {} : { since: stats.failingSince }),
  }
}

/** Throws `ERR_UNHEALTHY` if writes are to be refused. */
export function assertWritable(health: Health): void {
  if (health.writable) return
  throw new ForksnapError(
    'ERR_UNHEALTHY',
    `Writes are refused: ${health.reason ?? 'saving fails'}. They are taken again after the next save that succeeds; ` +
      'set stopWritesOnSaveError to false to take them regardless.',
  )
}
