import fs from 'node:fs'

/** What a crash engine tells, a line of JSON each. Ids are small enough here for plain numbers. */
export type Line =
  /** The state that a start found. */
  | {
      readonly tell: 'recovered'
      readonly position: number
      readonly digest: string
      /** -1 without a slice. */
      readonly slicePosition: number
      readonly passedOver: number
    }
  /** About to be appended and applied. */
  | { readonly tell: 'operation'; readonly id: number; readonly cell: number; readonly value: string }
  /** Acknowledged: everything up to here is as durable as the log's policy promises. */
  | { readonly tell: 'acknowledged'; readonly id: number }
  | { readonly tell: 'forked' }
  /** A slice is published. */
  | { readonly tell: 'saved'; readonly position: number }
  /** No slice was published, which leaves everything as it was. */
  | { readonly tell: 'not saved'; readonly code: string }
  /** From here on, until `reset`, both the state so far and an empty one are right. */
  | { readonly tell: 'resetting' }
  | { readonly tell: 'reset' }
  /** A start was refused. */
  | { readonly tell: 'refused'; readonly code: string; readonly message: string }
  | { readonly tell: 'closed' }

/** Written at once: what is told is told, even if the process dies in the next instant. */
export function tell(line: Line): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}

/** How an engine is to run; its only argument, as JSON. */
export interface EngineSettings {
  /** A folder for files, or a `postgres://` URL. */
  readonly place: string
  /** What the engine draws its operations and saves from. */
  readonly seed: number
  /** It closes after so many operations at least; without it, it runs until it is killed. */
  readonly operations?: number
  /** And after so many saves at least. */
  readonly saves?: number
  /** The children of so many saves fail at first. */
  readonly failingSaves?: number
  /** Forgets everything before it begins; `finish` does it even before it recovers, after a reset that a crash has cut. */
  readonly reset?: 'after recovery' | 'finish'
}
