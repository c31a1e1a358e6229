import { isMainThread } from 'node:worker_threads'
import { binding } from './binding'
import { ForksnapError } from './errors'

/** The oldest releases that have all that is needed, per release line. */
const oldestNode: Record<number, readonly [minor: number, patch: number]> = { 20: [20, 0], 22: [12, 0] }
const oldestLine = 24

/** Why forksnap does not run on a release of Node, `process.version`, or undefined. */
export function nodeProblem(nodeVersion: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = nodeVersion.replace(/^v/, '').split('.').map(Number)
  const oldest = oldestNode[major]
  const tooOld =
    oldest === undefined ? major < oldestLine : minor < oldest[0] || (minor === oldest[0] && patch < oldest[1])
  return tooOld ? `Node.js ${nodeVersion} is too old for forksnap: use 20.20, 22.12, 24 or newer.` : undefined
}

/** What can be said of a platform without loading anything: the reason why it is unsupported, or undefined. */
export function platformProblem(platform: string, nodeVersion: string, mainThread: boolean): string | undefined {
  if (platform === 'win32') {
    return 'Windows has no fork(): forksnap runs on Linux and macOS. Run the server in a Linux container or WSL 2.'
  }
  if (platform !== 'linux' && platform !== 'darwin') {
    return `forksnap runs on Linux and macOS, not on ${platform}.`
  }
  const tooOld = nodeProblem(nodeVersion)
  if (tooOld !== undefined) return tooOld
  if (!mainThread) {
    return 'forksnap forks from the main thread only: create the Snapshotter there, and let Workers load "forksnap/worker".'
  }
  return undefined
}

/**
 * Throws `ERR_UNSUPPORTED_PLATFORM` where forksnap cannot fork: on Windows and unknown systems, on a Node that is too
 * old, in a Worker thread, or without the native addon. The message says what to do.
 */
export function assertSupported(): void {
  const problem = platformProblem(process.platform, process.version, isMainThread)
  if (problem !== undefined) throw new ForksnapError('ERR_UNSUPPORTED_PLATFORM', problem)
  binding()
}

/** Whether this process can fork, from this thread. Never throws. */
export function isSupported(): boolean {
  try {
    assertSupported()
    return true
  } catch {
    return false
  }
}
