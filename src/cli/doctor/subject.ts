import type { System } from './system'

/** What the checks are about: a machine, a process on it (or this one, as the server would be), and what it is to do. */
export interface Subject {
  readonly system: System
  /** `self` or the number of a running server. */
  readonly pid: string
  /** Bytes of state that a snapshot shares with its child; undefined if nobody said. */
  readonly stateBytes: number | undefined
  /** Bytes that a running server has in memory already; 0 if it is still to start. */
  readonly residentBytes: number
  readonly slices: string | undefined
  readonly log: string | undefined
  readonly postgres: string | undefined
  readonly schema: string
}

/** Memory that a fork would share: what the process has of its own. */
export function residentBytes(system: System, pid: string): number | undefined {
  return system.kilobytes(`/proc/${pid}/status`, 'RssAnon') ?? system.kilobytes(`/proc/${pid}/status`, 'VmRSS')
}

/** Memory that a process may write to and shares with nobody: what fork() promises its child. 0 where nothing tells. */
export function writableBytes(system: System, pid: string): number {
  const parts = ['VmData', 'VmStk'].map((name) => system.kilobytes(`/proc/${pid}/status`, name) ?? 0)
  return parts.reduce((sum, bytes) => sum + bytes, 0)
}
