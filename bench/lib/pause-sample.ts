import { runFork } from '../../src/fork'
import type { PauseParts } from '../../src/fork-job'

/** A pause and its parts, in milliseconds. */
export interface PauseSample extends PauseParts {
  readonly pauseMs: number
  /** What is left of the pause. */
  readonly otherMs: number
}

export const PAUSE_PARTS = [
  'prepareMs',
  'lookMs',
  'inheritMs',
  'forkMs',
  'restoreMs',
  'releaseMs',
  'otherMs',
] as const satisfies readonly (keyof PauseSample)[]

/** Forks a child that does nothing. */
export async function measurePause(): Promise<PauseSample> {
  const outcome = await runFork<undefined, undefined>({
    prepare: () => undefined,
    run: () => undefined,
    limits: { quiesceMs: 10_000, stallMs: 0, totalMs: 60_000 },
  })
  const { pauseMs, pauseParts } = outcome
  if (pauseParts === undefined) throw new Error('the fork did not tell the parts of its pause')
  const otherMs = Object.values<number>({ ...pauseParts }).reduce((rest, part) => rest - part, pauseMs)
  return { pauseMs, ...pauseParts, otherMs }
}
