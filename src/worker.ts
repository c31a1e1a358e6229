/**
 * `require('forksnap/worker')` in a Worker, or `node -r forksnap/worker` for all of them: makes the Worker's isolate known,
 * so that it can be parked at a safe point for the moment of a fork. Does nothing on the main thread or where forksnap
 * is not supported: a Worker must not fail because snapshots are not to be had.
 */
import { isMainThread } from 'node:worker_threads'
import { binding } from './binding'
import { platformProblem } from './platform'

function register(): boolean {
  if (isMainThread || platformProblem(process.platform, process.version, true) !== undefined) return false
  try {
    binding().registerIsolate()
    return true
  } catch {
    return false
  }
}

/** Whether this Worker will be parked for a fork. */
export const registered: boolean = register()
