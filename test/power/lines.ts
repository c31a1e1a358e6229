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
  /** About to be appended and applied. */
  | { readonly tell: 'operation'; readonly id: number; readonly cell: number; readonly value: string }
  /** All up to here is as durable as the log's policy promises. */
  | { readonly tell: 'durable'; readonly id: number }
  /** A slice is published. */
  | { readonly tell: 'saved'; readonly position: number }
  /** These slices are gone for good. */
  | { readonly tell: 'removed'; readonly sliceIds: readonly number[] }
  /** A start was refused. */
  | { readonly tell: 'refused'; readonly code: string; readonly message: string }
  /** The log has failed, so nothing more will be told. */
  | { readonly tell: 'stopped' }
  /** Log and store are closed: all that was appended is durable. */
  | { readonly tell: 'closed' }

/** Written at once: what is told is told, even if the process dies in the next instant. */
export function tell(line: Line): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}
