import type { RawHandlers } from '../slice/reader'
import type { SliceInfo } from '../store/store'
import type { Output } from './export-output'

/** Turns what a slice holds into text of one format. */
export interface ExportWriter {
  readonly handlers: RawHandlers
  /** All of the slice has come. */
  end(): void
}

export interface WriterOptions {
  /** Several tables share the output. */
  readonly qualified: boolean
  readonly create: boolean
}

export type MakeWriter = (output: Output, info: SliceInfo, options: WriterOptions) => ExportWriter
