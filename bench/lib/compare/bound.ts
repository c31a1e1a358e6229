/** Programs that end with this process, even if it is killed and can do nothing for it any more. */
import { type ChildProcess, spawn, spawnSync, type SpawnOptions } from 'node:child_process'

/** With `prctl(PR_SET_PDEATHSIG)`, which util-linux's `setpriv` calls and which outlives its exec of the program. */
const SETPRIV = ['setpriv', '--pdeathsig', 'KILL'] as const

/** Whether there is a `setpriv` that can do it: not outside Linux, nor in BusyBox. */
export function canBind(): boolean {
  const [program, ...args] = SETPRIV
  return spawnSync(program, [...args, 'true']).status === 0
}

/** `spawn()` of a program that ends with this process; where `setpriv` is missing, only if this one ends in order. */
export function spawnBound(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const [first, ...rest] = canBind() ? [...SETPRIV, program, ...args] : [program, ...args]
  const child = spawn(first, rest, options)
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.removeListener('exit', kill))
  return child
}
