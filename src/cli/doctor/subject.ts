import type { System } from './system'

/** What the checks are about: a machine, a process on it (or this one, as the server would be), and what it is to do. */
export interface Subject {
  readonly system: System
  /** `self` or the number of a running server. */
  readonly pid: string
  /** Bytes of state that a snapshot shares with its child; undefined if nobody said. */
  readonly stateBytes: number | undefined
  /** Whether that state is in memory already: that of a running server is. */
  readonly resident: boolean
  readonly slices: string | undefined
  readonly log: string | undefined
  readonly postgres: string | undefined
  readonly schema: string
}

/** Memory that a fork would share: what the process has of its own. */
export function residentBytes(system: System, pid: string): number | undefined {
  return system.kilobytes(`/proc/${pid}/status`, 'RssAnon') ?? system.kilobytes(`/proc/${pid}/status`, 'VmRSS')
}
