/**
 * Preloaded (`--require`) into programs that a benchmark runs: at its end a process writes what it used of processors and
 * memory to the file that BENCH_USAGE names. The last one to end is the one that counts: programs that it started ended before.
 */
import { readFileSync, writeFileSync } from 'node:fs'

export interface Usage {
  readonly userMs: number
  readonly systemMs: number
  /** The most that was resident at a time. Of this program: the process's own figure has what it was before, too. */
  readonly peakBytes: number
}

const file = process.env.BENCH_USAGE

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))
  return { userMs: user / 1000, systemMs: system / 1000, peakBytes: Number(peak?.[1]) * 1024 }
}

if (file !== undefined) process.on('exit', () => writeFileSync(file, JSON.stringify(usage())))
