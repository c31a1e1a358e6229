import fs from 'node:fs'

/** What the programs of the power tests tell, a line of JSON each. Ids are small enough here for plain numbers. */
export type Line =
  /** The state that a start found. */
  | {
      readonly tell: 'recovered'
      readonly position: number
      readonly digest: string
      readonly slicePosition: number
      readonly sliceIds: readonly number[]
      readonly damaged: readonly string[]
    }
  /** The same of a start of the parts; `damaged` are slices that were set aside. */
  | {
      readonly tell: 'started'
      readonly lastId: number
      readonly epoch: number
      readonly position: number
      readonly sliceIds: readonly number[]
      readonly damaged: readonly number[]
    }
  /** About to reset the log, and done with it. */
  | { readonly tell: 'resetting' | 'reset'; readonly id: number }
  /** About to begin an epoch, and done with it. */
  | { readonly tell: 'beginning' | 'begun'; readonly epoch: number }
  /** About to be appended and applied. */
  | { readonly tell: 'operation'; readonly id: number; readonly cell: number; readonly value: string }
  /** All up to here is as durable as the log's policy promises. */
  | { readonly tell: 'durable'; readonly id: number }
  /** About to save a slice; it is published. */
  | { readonly tell: 'saving' | 'saved'; readonly position: number }
  /** A slice is about to be written under this id, which no other one may ever have had. */
  | { readonly tell: 'given'; readonly sliceId: number }
  /** These slices are gone for good. */
  | { readonly tell: 'removed'; readonly sliceIds: readonly number[] }
  /** A start was refused. */
  | { readonly tell: 'refused'; readonly code: string; readonly message: string }
  /** The log has failed, so nothing more will be told. */
  | { readonly tell: 'stopped' }
  /** All is done that was to do, and store and log are open. */
  | { readonly tell: 'done' }
  /** Log and store are closed: all that was appended is durable. */
  | { readonly tell: 'closed' }

/** Tells a program which of the programs it is. */
export const PROGRAM_VARIABLE = 'FORKSNAP_POWER_PROGRAM'

/** Written at once: what is told is told, even if the process dies in the next instant. */
export function tell(line: Line): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}
