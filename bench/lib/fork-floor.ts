/** Runs `fork_floor` (bench/native/fork_floor.c): what a plain C program needs to fork with the same memory. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface ForkFloor {
  /** Milliseconds of each `fork()` after all writable pages were written again, as at the first fork of a process. */
  readonly fork_ms: readonly number[]
  /** The same without writing in between: the pages are write-protected already. */
  readonly refork_ms: readonly number[]
  /** Number of mappings of the program at the fork. */
  readonly vmas: number
  /** Anonymous resident bytes at the fork, and how much of that is in transparent huge pages. */
  readonly resident_bytes: number
  readonly huge_bytes: number
  readonly page_table_bytes: number
  /** What could not be replayed: ranges that the program itself uses. */
  readonly skipped_bytes: number
  readonly skipped_vmas: number
}

/**
 * Replays a snapshot of `dumpMappings` and forks `forks` times (1 to 10,000). The program must have been built with
 * `npm run build:bench`; `root` is the folder of the project. Needs as much memory as the measured process.
 */
export function runForkFloor(snapshotFile: string, forks = 20, root = process.cwd()): ForkFloor {
  const program = join(root, 'build', 'bench', 'fork_floor')
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm run build:bench\` first`)
  const answer = execFileSync(program, [snapshotFile, String(forks)], { encoding: 'utf8', maxBuffer: 16 << 20 })
  return JSON.parse(answer) as ForkFloor
}
