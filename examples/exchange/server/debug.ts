import { ExchangeError } from '../errors'
import type { Maintenance } from './maintenance'

/** The calls that can destroy everything, or keep the machine busy: only for a server that was started with them. */
export function debugHandlers(maintenance: Maintenance, allowed: boolean) {
  const guarded = (work: () => Promise<unknown>) => async (): Promise<object> => {
    if (!allowed) throw new ExchangeError('PERMISSION_DENIED', 'debug calls are off: start the server with --debug')
    await work()
    return {}
  }
  return {
    DebugDump: guarded(() => maintenance.dump()),
    DebugReset: guarded(() => maintenance.reset()),
    DebugReload: guarded(() => maintenance.reload()),
  }
}
