import { isForksnapError, type RecoverReport, type Saved, type Snapshotter } from 'forksnap'
import type { Logger } from 'pino'
import type { ExchangeMeta } from './exchange'

const rounded = (ms: number): number => Math.round(ms * 10) / 10

/** A slice in the log: figures as plain numbers, ids as text, since they are 64 bits wide. */
function savedFigures(saved: Saved): object {
  const { sliceId, position, reason, rows, bytes, cowBytes, pauseMs, forkMs, longestGapMs, totalMs } = saved
  return {
    ...{ sliceId: String(sliceId), position: String(position), reason, rows, bytes, cowBytes },
    ...{ pauseMs: rounded(pauseMs), forkMs: rounded(forkMs) },
    ...{ longestGapMs: rounded(longestGapMs), totalMs: rounded(totalMs) },
  }
}

/** Writes into the log what becomes of snapshots. */
export function logSnapshots(snapshotter: Snapshotter<ExchangeMeta>, logger: Logger): void {
  snapshotter.on('saved', (saved) => logger.info(savedFigures(saved), 'snapshot saved'))
  snapshotter.on('failed', (error, { reason }) => logger.error({ err: error, reason }, 'snapshot failed'))
  snapshotter.on('aborted', (_error, { reason }) => logger.warn({ reason }, 'snapshot ended on purpose'))
  snapshotter.on('retry', ({ failures, delayMs }) => logger.warn({ failures, delayMs }, 'snapshot will be retried'))
  snapshotter.on('busy', ({ attempt, delayMs }) => logger.debug({ attempt, delayMs }, 'too busy to fork'))
  snapshotter.on('skipped', () => logger.warn('a snapshot was skipped, since the one before is still running'))
  snapshotter.on('pruned', ({ sliceIds }) => logger.info({ sliceIds: sliceIds.map(String) }, 'old slices removed'))
  snapshotter.on('cleanupFailed', (error, { step }) => logger.warn({ err: error, step }, 'cleaning up failed'))
}

export function logRecovery({ passedOver, slice, log, position, totalMs }: RecoverReport, logger: Logger): void {
  for (const { sliceId, error } of passedOver) {
    logger.error({ sliceId: String(sliceId), err: error }, 'passed over a damaged slice')
  }
  if (log?.cut !== undefined) logger.warn({ bytes: log.cut.bytes }, 'cut what a crash left half written from the log')
  logger.info(
    {
      position: String(position),
      ...(slice === undefined ? {} : { sliceId: String(slice.sliceId), rows: slice.rows, digest: slice.values.digest }),
      replayed: log?.entries ?? 0,
      ms: Math.round(totalMs),
    },
    'recovered',
  )
}

/** An error for people: its code and message, and those of what led to it. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = isForksnapError(error) ? `${error.code}: ` : ''
  return `${code}${error.message}`
}
