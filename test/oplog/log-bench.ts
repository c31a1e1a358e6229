import { accessSync, constants, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileOperationLog, type FileOperationLogOptions } from '../../src/oplog/file'
import type { LogEntry, OperationLog } from '../../src/oplog/oplog'

/** A file system in memory where there is one: for tests that open logs by the thousand and need no disk. */
export function memoryDirectory(): string {
  try {
    accessSync('/dev/shm', constants.W_OK)
    return '/dev/shm'
  } catch {
    return tmpdir()
  }
}

/** Temporary directories and logs of one test file; `cleanUp` closes and removes them all. */
export class LogBench {
  readonly #top: string
  readonly #directories: string[] = []
  readonly #logs: FileOperationLog[] = []
  readonly #cleanUps: (() => void)[] = []

  constructor(top = tmpdir()) {
    this.#top = top
  }

  directory(): string {
    const directory = mkdtempSync(join(this.#top, 'forksnap-oplog-'))
    this.#directories.push(directory)
    return directory
  }

  /** A log that is not started, on a directory of its own unless one is given. */
  log(options: Partial<FileOperationLogOptions> = {}): FileOperationLog {
    const log = new FileOperationLog({ directory: join(this.directory(), 'log'), ...options })
    this.#logs.push(log)
    return log
  }

  async started(options: Partial<FileOperationLogOptions> = {}): Promise<FileOperationLog> {
    const log = this.log(options)
    await log.start()
    return log
  }

  /** Runs before the directories are removed: to unmount, for example. */
  onCleanUp(work: () => void): void {
    this.#cleanUps.push(work)
  }

  async cleanUp(): Promise<void> {
    for (const log of this.#logs.splice(0)) await log.close().catch(() => undefined) // A test may have made it fail.
    for (const work of this.#cleanUps.splice(0)) work()
    for (const directory of this.#directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  }
}

export async function readAll(log: OperationLog, position = 0n): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const batch of log.read(position)) entries.push(...batch)
  return entries
}

export async function readIds(log: OperationLog, position = 0n): Promise<number[]> {
  return (await readAll(log, position)).map(({ id }) => Number(id))
}

/** Appends operations with the params 1, 2, ... and waits for all of them. */
export async function appendNumbers(log: OperationLog, count: number, width = 0): Promise<void> {
  const first = Number(log.lastId) + 1
  const text = 'x'.repeat(width)
  const all = Array.from({ length: count }, (_, i) => log.append({ method: 'add', params: [first + i, text], time: 5 }))
  await Promise.all(all.map(({ durable }) => durable))
}

export function numbersFrom(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** Paths of the segments, oldest first. */
export function segmentsOf(log: FileOperationLog): string[] {
  return readdirSync(log.directory)
    .filter((name) => name.endsWith('.oplog'))
    .sort()
    .map((name) => join(log.directory, name))
}
