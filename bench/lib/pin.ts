/** Which processor a process runs on (Linux). */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout } from 'node:timers/promises'

/** All threads of a process. Throws if the system does not do that. */
export function pin(pid: number, where: string): void {
  execFileSync('taskset', ['-apc', where, String(pid)], { stdio: 'ignore' })
}

export function canPin(): boolean {
  try {
    pin(process.pid, `0-${cpus().length - 1}`)
    return true
  } catch {
    return false
  }
}

const LOOK_MS = 2
const LOOKS_MAX = 5000

/** Resolves with the first child that a process has from now on. */
export async function childOf(pid: number): Promise<number> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
    if (child !== '') return Number(child)
    await setTimeout(LOOK_MS)
  }
  throw new Error(`process ${pid} has no child`)
}
