import { errnoOf, isForksnapError } from '../errors'
import { UsageError } from './command'
import { PROBLEM, READER_GONE, WRONG_USAGE } from './exit-codes'
import { note, printable } from './output'
import { Problem } from './problem'
import { hideSecrets } from './secrets'

/** An error in one line, with its code, without secrets and without control characters. */
export function messageOf(error: unknown): string {
  if (isForksnapError(error)) return hideSecrets(printable(`${error.message} [${error.code}]`))
  return hideSecrets(printable(error instanceof Error ? error.message : String(error)))
}

/** Tells why the command failed and sets the exit code. */
export function reportFailure(error: unknown): void {
  if (errnoOf(error) === 'EPIPE') {
    process.exitCode = READER_GONE
    return
  }
  const wrong = error instanceof UsageError
  process.exitCode = wrong ? WRONG_USAGE : PROBLEM
  note(`forksnap: ${messageOf(error)}`)
  const expected = wrong || error instanceof Problem || isForksnapError(error) || isSystemError(error)
  if (expected) return
  note('This is a mistake of forksnap itself. Set FORKSNAP_DEBUG=1 to see where it comes from, and report it.')
  if (process.env.FORKSNAP_DEBUG === '1' && error instanceof Error) note(hideSecrets(error.stack ?? ''))
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string'
}
