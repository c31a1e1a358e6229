import type { SyncStep } from '../../src/failpoint'
import { Draw } from './draw'
import { type Counts, Life } from './life'
import { Loss } from './model'
import type { Program } from './run'

export interface RoundsOptions {
  readonly program: Program
  readonly rounds: number
  /** Rounds of the same seed begin alike; when the program's requests come, the system's scheduler decides too. */
  readonly seed: number
  /** The step whose syncs are left out, see src/failpoint.ts. */
  readonly skip?: SyncStep
  /** Told after each round. */
  onRound?(done: RoundsReport): void
}

/** What happened in the rounds so far. */
export interface RoundsReport extends Counts {
  readonly rounds: number
  /** What was lost; the rounds end with it. */
  readonly loss?: string
}

/** A new disk and an empty directory come after so many rounds at most. */
const ROUNDS_OF_A_LIFE_MAX = 8

/**
 * Lets a program run on a disk that forgets, cuts the power at random moments, and compares what is recovered with what
 * the program had acknowledged.
 */
export async function runRounds(options: RoundsOptions): Promise<RoundsReport> {
  const { program, rounds, seed, skip } = options
  const draw = new Draw(seed)
  const report = { rounds: 0, cuts: 0, kills: 0, recoveries: 0, operations: 0, acknowledged: 0, saved: 0 }
  while (report.rounds < rounds) {
    const life = await Life.begin({ program, draw, skip }, report)
    try {
      for (let left = draw.whole(1, ROUNDS_OF_A_LIFE_MAX); left > 0 && report.rounds < rounds; left--) {
        await life.round()
        report.rounds++
        options.onRound?.({ ...report })
      }
      await life.verify()
    } catch (error) {
      if (!(error instanceof Loss)) throw error
      return { ...report, loss: `${error.message} (seed ${seed}, ${life.story})` }
    } finally {
      await life.end()
    }
  }
  return report
}
