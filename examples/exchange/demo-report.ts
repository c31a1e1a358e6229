import type { RecoverReport, Saved } from 'forksnap'

const BAR_WIDTH = 40
const MEGA = 1e6

/** A progress bar on one line of a terminal; nothing where the output is no terminal. */
export class ProgressBar {
  private shown = false

  constructor(private readonly out: NodeJS.WriteStream) {}

  draw(label: string, part: number): void {
    if (!this.out.isTTY) return
    const filled = Math.round(Math.min(1, Math.max(0, part)) * BAR_WIDTH)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled)
    this.out.write(`\r${label} ${bar} ${String(Math.floor(Math.min(1, part) * 100)).padStart(3)}%\u001b[K`)
    this.shown = true
  }

  clear(): void {
    if (this.shown) this.out.write('\r\u001b[K')
    this.shown = false
  }
}

/** Columns of the report: title, width, and a snapshot's figure. */
const columns: readonly (readonly [title: string, width: number, value: (saved: Saved) => string])[] = [
  ['slice', 6, (saved) => String(saved.sliceId)],
  ['pause ms', 9, (saved) => saved.pauseMs.toFixed(1)],
  ['fork ms', 8, (saved) => saved.forkMs.toFixed(1)],
  ['rows', 10, (saved) => saved.rows.toLocaleString('en')],
  ['MB', 7, (saved) => (saved.bytes / MEGA).toFixed(1)],
  ['seconds', 8, (saved) => (saved.totalMs / 1000).toFixed(2)],
  ['copied MB', 10, (saved) => (saved.cowBytes / MEGA).toFixed(1)],
  ['loop p99 ms', 12, (saved) => saved.loopDelayP99Ms.toFixed(1)],
  ['longest gap ms', 15, (saved) => saved.longestGapMs.toFixed(1)],
]

export function reportTitle(): string {
  return columns.map(([title, width]) => title.padStart(width)).join(' ')
}

export function reportLine(saved: Saved): string {
  return columns.map(([, width, value]) => value(saved).padStart(width)).join(' ')
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const count = (value: number | bigint): string => value.toLocaleString('en')

/** What came of a recovery, a line for each thing that there was. */
export function recoveryLines({ passedOver, slice, log }: RecoverReport): string[] {
  const lines = passedOver.map(({ error }) => `passed over a damaged slice: ${error.message}`)
  if (slice !== undefined) {
    const { sliceId, rows, bytes, verifyMs, ms, values } = slice
    lines.push(
      `restored slice ${sliceId}: ${count(rows)} rows, ${(bytes / MEGA).toFixed(1)} MB in ${seconds(verifyMs + ms)} s; ` +
        `digest ${JSON.stringify(values.digest)} is the one stored with it`,
    )
  }
  if (log?.cut !== undefined) lines.push(`cut ${log.cut.bytes} bytes that a crash left half written from the log`)
  if (log !== undefined && log.entries > 0) {
    lines.push(`replayed operations ${count(log.first)} to ${count(log.last)} in ${seconds(log.ms)} s`)
  }
  return lines
}
