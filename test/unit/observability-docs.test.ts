import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DiagnosticsChannel } from '../../src/diagnostics'
import { EVENT_METRICS, STAT_METRICS } from '../../src/metrics'
import { LOG_LINES } from '../../src/snapshot-log'
import { StatsKeeper } from '../../src/stats'
import { membersOf } from '../helpers/interfaces'

/** docs/observability.md lists what the code tells: all of it, and nothing else. */

const text = readFileSync(join(__dirname, '../../docs/observability.md'), 'utf8')

/** Rows of the table whose header begins with these cells; cells without the quotes of code. */
function table(...header: string[]): string[][] {
  const lines = text.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const start = lines.findIndex((cells) => header.every((name, index) => cells[index] === name))
  if (start < 0) throw new Error(`no table begins with ${header.join(' | ')}`)
  const rows = lines.slice(start + 2)
  const end = rows.findIndex((cells) => cells.length === 0)
  return rows.slice(0, end < 0 ? rows.length : end).map((cells) => cells.map((cell) => cell.replace(/^`|`$/g, '')))
}

it('has every figure and its metric', () => {
  const documented = table('figure', 'unit', 'metric').map(([figure, , metric, type]) => [figure, metric, type])
  const figures = Object.keys(new StatsKeeper().read()) as (keyof typeof STAT_METRICS)[]
  expect(documented).toEqual(
    figures.map((figure) => {
      const metric = STAT_METRICS[figure]
      return metric === undefined ? [figure, '-', '-'] : [figure, `forksnap_${metric.name}`, metric.type]
    }),
  )
})

it('gives every figure the unit that its name says', () => {
  for (const [figure = '', unit] of table('figure', 'unit', 'metric')) {
    const suffix = /(Ms|Usec|Seconds|Bytes|Rows)$/.exec(figure)?.[1] ?? ''
    const expected = { Ms: 'ms', Usec: 'µs', Seconds: 's', Bytes: 'bytes', Rows: 'rows' }[suffix] ?? unit
    expect({ figure, unit }).toEqual({ figure, unit: expected })
  }
})

it('has the metrics that events make', () => {
  const documented = table('event', 'metric').map((row) => row.slice(0, 3))
  const made = Object.entries(EVENT_METRICS).flatMap(([event, metrics]) =>
    metrics.map(({ name, buckets }) => [event, `forksnap_${name}`, buckets === undefined ? 'gauge' : 'histogram']),
  )
  expect(documented).toEqual(made)
})

it('has every event', () => {
  expect(table('event', 'when').map(([event]) => event)).toEqual([
    ...membersOf('events.ts', 'SnapshotterEvents').keys(),
  ])
})

it('has every channel with every field', () => {
  const save = [...membersOf('diagnostics.ts', 'SaveIdentity').keys()]
  const messages: Record<DiagnosticsChannel, string> = {
    'forksnap:quiesce': 'QuiesceMessage',
    'forksnap:fork': 'ForkMessage',
    'forksnap:child': 'ChildMessage',
    'forksnap:commit': 'CommitMessage',
  }
  const told = Object.entries(messages).flatMap(([channel, message]) =>
    [...save, ...membersOf('diagnostics.ts', message).keys()].map((field) => `${channel} ${field}`),
  )
  const documented = table('channel', 'when', 'field').map(([channel, , field]) => `${channel} ${field}`)
  expect(documented.sort()).toEqual(told.sort())
})

it('has every log line with its level and message', () => {
  const lines = Object.entries(LOG_LINES).map(([event, { level, message }]) => [event, level, message])
  expect(table('event', 'level', 'message').map((row) => row.slice(0, 3))).toEqual(lines)
})

it('has every metric that the rules for alerts use', () => {
  const rules = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8').match(/^ +expr: .*$/gm) ?? []
  const used = rules.flatMap((rule) => rule.match(/\bforksnap_\w+/g) ?? []).map((name) => name.replace(/_bucket$/, ''))
  const metrics = [
    ...table('figure', 'unit', 'metric').map(([, , metric]) => metric),
    ...table('event', 'metric').map(([, metric]) => metric),
  ]
  expect(used.length).toBeGreaterThan(0)
  expect(used.filter((name) => !metrics.includes(name))).toEqual([])
})
