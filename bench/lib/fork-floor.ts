/** Runs `fork_floor` (bench/native/fork_floor.c): what a plain C program needs to fork with the same memory. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What was replayed. */
export interface FloorMemory {
  /** Number of mappings of the program at the fork. */
  readonly vmas: number
  /** Anonymous resident bytes at the fork, and how much of that is in transparent huge pages. */
  readonly resident_bytes: number
  readonly huge_bytes: number
  readonly page_table_bytes: number
  /** How much of it came in the order in which the measured process has it in physical memory. */
  readonly ordered_bytes: number
  /** What could not be replayed: ranges that the program itself uses. */
  readonly skipped_bytes: number
  readonly skipped_vmas: number
}

export interface ForkFloor extends FloorMemory {
  /** Milliseconds of each `fork()` after all writable pages were written again, as at the first fork of a process. */
  readonly fork_ms: readonly number[]
  /** The same without writing in between: the pages are write-protected already. */
  readonly refork_ms: readonly number[]
}

function floorProgram(root: string): string {
  const program = join(root, 'build', 'bench', 'fork_floor')
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`npm run build:bench\` first`)
  return program
}

/**
 * Replays a snapshot of `dumpMappings` and forks `forks` times (1 to 10,000). The program must have been built with
 * `npm run build:bench`; `root` is the folder of the project. Needs as much memory as the measured process.
 */
export function runForkFloor(snapshotFile: string, forks = 20, root = process.cwd()): ForkFloor {
  const answer = execFileSync(floorProgram(root), [snapshotFile, String(forks)], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  })
  return JSON.parse(answer) as ForkFloor
}

export interface RunningForkFloor {
  readonly pid: number
  /** Milliseconds of one `fork()`, with all writable pages written again before it or none. One at a time. */
  fork(rewrite: boolean): Promise<number>
  end(): Promise<FloorMemory>
}

/** The same program, which forks when it is told to; resolves once all its pages are resident. */
export async function startForkFloor(snapshotFile: string, root = process.cwd()): Promise<RunningForkFloor> {
  const child = spawn(floorProgram(root), [snapshotFile, '-'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const read = async (): Promise<string> => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error('fork_floor has ended')
    return value
  }
  await read()
  return {
    pid: child.pid ?? 0,
    async fork(rewrite) {
      child.stdin.write(rewrite ? 'w\n' : 'r\n')
      return Number(await read())
    },
    async end() {
      const ended = once(child, 'exit')
      child.stdin.end()
      const memory = JSON.parse(await read()) as FloorMemory
      await ended
      return memory
    },
  }
}
