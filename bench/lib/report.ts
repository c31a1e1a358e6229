import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { isPacked } from './packed-heap'
import { spread } from './statistics'

/** What the benchmarks print: a table of medians, and whether each target is met. A benchmark measures and never fails. */

export interface Figure {
  readonly name: string
  readonly unit: string
  /** One value per sample. */
  readonly values: readonly number[]
}

export interface Target {
  readonly name: string
  readonly measured: number
  readonly limit: number
  /** Whether the measured value must not be above (`at-most`) or below (`at-least`) the limit. */
  readonly kind: 'at-most' | 'at-least'
}

export interface Report {
  readonly bench: string
  /** What was measured, in a few words: sizes, rounds. */
  readonly subject: string
  readonly figures: readonly Figure[]
  readonly targets: readonly Target[]
  readonly notes?: readonly string[]
}

export function isMet({ measured, limit, kind }: Target): boolean {
  return kind === 'at-most' ? measured <= limit : measured >= limit
}

export interface Host {
  readonly node: string
  readonly cores: number
  readonly cpu: string
  readonly system: string
  /** Whether the program that measures has its heap in huge pages. */
  readonly packedHeap: boolean
  /** Of the last minute. */
  readonly loadAverage: number
}

export function host(): Host {
  return {
    node: process.versions.node,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    system: `${process.platform} ${release()}`,
    packedHeap: isPacked(),
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(1)),
  }
}

export function printReport(report: Report, json: boolean): void {
  if (json) {
    const figures = report.figures.map(({ name, unit, values }) => ({ name, unit, ...spread(values), values }))
    const targets = report.targets.map((target) => ({ ...target, met: isMet(target) }))
    console.log(JSON.stringify({ ...report, host: host(), figures, targets }))
    return
  }
  console.log(`${report.bench}: ${report.subject}`)
  console.log(hostLine(host()))
  console.log(tableOf(report.figures))
  for (const target of report.targets) console.log(verdictLine(target))
  for (const note of report.notes ?? []) console.log(note)
}

export function hostLine({ node, cores, cpu, system, packedHeap, loadAverage }: Host): string {
  const packed = packedHeap ? ', with the heap packed into huge pages' : ''
  return `Node ${node}, ${cores} cores (${cpu}), ${system}, load average ${loadAverage}${packed}`
}

export function verdictLine(target: Target): string {
  const sign = target.kind === 'at-most' ? '<=' : '>='
  const verdict = isMet(target) ? 'met   ' : 'MISSED'
  return `${verdict}  ${target.name}: ${short(target.measured)} (target ${sign} ${short(target.limit)})`
}

function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, unit, values }) => {
    const { median, min, max, samples } = spread(values)
    return [name, short(median), short(min), short(max), unit, String(samples)]
  })
  return aligned([['', 'median', 'min', 'max', 'unit', 'n'], ...rows], [0, 4])
}

/** Lines of cells as columns, the given ones of text, all others of numbers. */
export function aligned(lines: readonly (readonly string[])[], textColumns: readonly number[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? []
  const pad = (text: string, column: number): string =>
    textColumns.includes(column) ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

/** Three significant digits, or whole numbers with a separator of thousands. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)))
}
