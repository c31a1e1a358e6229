import { onInterrupt } from './cleanup'
import { bytesText } from './output'

const WIDTH = 24
const EVERY_MS = 100
const CLEAR = '\r\x1b[K'

export interface Progress {
  /** Sums, not differences. A total of 0 is not known yet. */
  readonly at: (done: number, total: number) => void
  readonly end: () => void
}

const silent: Progress = { at: () => undefined, end: () => undefined }

/** A bar on standard error, if that is a terminal. It is gone when it ends. */
export function progressBar(label: string, wanted = true): Progress {
  if (!wanted || process.stderr.isTTY !== true || process.env.TERM === 'dumb') return silent
  const begun = performance.now()
  let drawn = -Infinity
  const clear = (): void => void process.stderr.write(CLEAR)
  const forget = onInterrupt(clear)
  return {
    at(done, total) {
      const now = performance.now()
      if (now - drawn < EVERY_MS) return
      drawn = now
      process.stderr.write(CLEAR + line(label, done, total, now - begun))
    },
    end() {
      forget()
      clear()
    },
  }
}

function line(label: string, done: number, total: number, ms: number): string {
  const speed = ms > 0 ? `  ${bytesText((done / ms) * 1000)}/s` : ''
  const text = `${label} ${total > 0 ? barOf(done, total) : bytesText(done)}${speed}`
  // A line that the terminal would wrap could not be taken back.
  return text.slice(0, Math.max(1, (process.stderr.columns || 80) - 1))
}

function barOf(done: number, total: number): string {
  const part = Math.min(1, done / total)
  const full = Math.round(part * WIDTH)
  const bar = '#'.repeat(full) + '-'.repeat(WIDTH - full)
  return `[${bar}] ${Math.floor(part * 100)}%  ${bytesText(done)} of ${bytesText(total)}`
}
