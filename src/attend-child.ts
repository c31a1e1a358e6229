import { binding, type StatusPage } from './binding'
import type { KillSent } from './child-failure'
import { ChildGuard } from './child-guard'
import { tellForked } from './fork-diagnostics'
import type { ForkInfo, ForkJob } from './fork-job'
import { Reaper, type ChildEnd } from './reaper'

const DEFAULT_PROGRESS_MS = 100

/** A caller's callback that throws must not leave a child unattended; its error surfaces like any uncaught one. */
function callBack(callback: () => void): void {
  try {
    callback()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}

/** Lives with the child until it has been reaped: progress, limits, the caller's signal. */
export async function attendChild<P, V>(
  job: ForkJob<P, V>,
  page: StatusPage,
  info: ForkInfo,
): Promise<{ end: ChildEnd; killed: KillSent | undefined }> {
  const native = binding()
  const reaper = new Reaper(info.pid)
  let killed: KillSent | undefined
  const kill = (reason: KillSent): void => {
    if (killed === undefined && reaper.kill('SIGKILL')) killed = reason
  }
  const guard = new ChildGuard(
    job.limits,
    job.progressMs ?? DEFAULT_PROGRESS_MS,
    () => native.readPage(page),
    (progress) => callBack(() => job.onProgress?.(progress)),
    kill,
  )
  const abort = (): void => kill('aborted')
  job.signal?.addEventListener('abort', abort, { once: true })
  if (job.signal?.aborted) abort()
  guard.start()
  try {
    tellForked(info, job.save)
    callBack(() => job.onForked?.(info))
    const end = await reaper.ended
    return { end, killed }
  } finally {
    guard.stop()
    job.signal?.removeEventListener('abort', abort)
  }
}
