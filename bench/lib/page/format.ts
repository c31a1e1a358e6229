/** Figures as text for people, three digits each; a unit never stands on the next line. */
import { short } from '../report'

export function ms(value: number): string {
  return value < 1_000 ? `${short(value)}\u00a0ms` : `${short(value / 1_000)}\u00a0s`
}

export function bytes(value: number): string {
  if (value >= 1e9) return `${short(value / 1e9)}\u00a0GB`
  return value >= 1e6 ? `${short(value / 1e6)}\u00a0MB` : `${short(value / 1e3)}\u00a0kB`
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** `10 k`, `1 M`. */
export function size(records: number): string {
  if (records >= 1e6) return `${short(records / 1e6)}\u00a0M`
  return records >= 1e3 ? `${short(records / 1e3)}\u00a0k` : String(records)
}

export function percent(part: number): string {
  return `${short(part * 100)}\u00a0%`
}

/** How many times as much: `108 ×`. */
export function times(ratio: number): string {
  return `${ratio >= 10 ? whole(ratio) : ratio.toPrecision(2)}\u00a0×`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '')
}

/** `a, b and c`. */
export function list(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}
