import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Where a process cannot become the command: the command as a child, and this process lives and ends as the child does. */

const PASSED_ON = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'] as const
/** A terminal sends these to the command itself, too. */
const FROM_TERMINAL: readonly string[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH']

function passSignals(child: ChildProcess): void {
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      if (process.stdin.isTTY && FROM_TERMINAL.includes(signal)) return
      child.kill(signal)
    })
  }
}

/** Ends this process as the command ended, by a signal if that is how. */
function endLike(code: number | null, signal: NodeJS.Signals | null): void {
  if (signal === null) {
    process.exitCode = code ?? 1
    return
  }
  process.removeAllListeners(signal)
  // For signals that Node does not die of, such as SIGUSR1.
  process.exitCode = 128 + constants.signals[signal]
  process.kill(process.pid, signal)
}

/** `failed` is called if it cannot be started. */
export function runChild(
  [command = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
  failed: (error: NodeJS.ErrnoException) => void,
): void {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...environment } })
  passSignals(child)
  child.on('exit', endLike)
  child.on('error', failed)
}
