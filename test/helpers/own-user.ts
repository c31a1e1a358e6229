import { spawnSync } from 'node:child_process'
import { isRoot } from './store-fixture'

/** Nobody else's: the kernel counts a user's processes and threads, and a test wants them to be its own. */
export const OWN_UID = 54_000 + (process.pid % 10_000)
/** The command before a program that is to run as that user. */
export const asOwnUser = ['setpriv', `--reuid=${OWN_UID}`, `--regid=${OWN_UID}`, '--clear-groups']

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0
const hasPrlimit = has('prlimit')

/** Why limits of a running process cannot be set, or null if they can. */
export const reasonAgainstLimits = hasPrlimit ? null : 'needs prlimit'
/** The same for programs of that user. */
export const reasonAgainstOwnUser = isRoot && has('setpriv') && hasPrlimit ? null : 'needs root, setpriv and prlimit'
