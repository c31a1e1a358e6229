import { cell, count, note, printJson, printPairs, printTable, size } from './output'
import { PROBLEM } from './exit-codes'
import { messageOf } from './failure'
import { type LogOptions, logPlaceOf, nothingThere } from './log-place'
import { type LogReport, scanLog, type SegmentReport, type SegmentState } from './log-scan'

export async function inspectLog(where: string, options: LogOptions & { readonly json?: true }): Promise<void> {
  const place = await logPlaceOf(where, options)
  if (place.kind === 'postgres') {
    const { databaseLogEnds } = await import('./log-database.js')
    const ends = await databaseLogEnds(place, options)
    if (ends === undefined) throw nothingThere(place)
    if (options.json) return printJson({ place: place.shown, ...ends })
    return printPairs([
      ['first', cell(String(ends.firstId))],
      ['last', cell(String(ends.lastId))],
      ['entries', count(ends.entries)],
    ])
  }
  const report = await scanLog(place.path, true)
  if (report.segments.length === 0) throw nothingThere(place)
  if (options.json) printJson({ place: place.shown, ...logAsJson(report) })
  else showLogReport(report)
  if (isBad(report)) process.exitCode = PROBLEM
}

export function isBad({ segments }: LogReport): boolean {
  return segments.some(({ state }) => state !== 'ok' && state !== 'not read')
}

/** The ends of a log, the entries that are sound, and its segments. */
export function logAsJson({ segments, ended }: LogReport) {
  const [first, last] = [segments[0], segments[segments.length - 1]]
  return {
    epoch: first.epoch,
    firstId: first.firstId,
    lastId: last.lastId,
    entries: segments.reduce((sum, segment) => sum + entriesOf(segment), 0n),
    endedSegments: ended,
    segments: segments.map(({ path, firstId, lastId, bytes, soundEnd, state, error }) => {
      return {
        path,
        firstId,
        lastId,
        bytes,
        soundEnd,
        state,
        ...(error === undefined ? {} : { error: messageOf(error) }),
      }
    }),
  }
}

function entriesOf({ firstId, lastId }: SegmentReport): bigint {
  return lastId - firstId + 1n
}

const COLOURS = {
  ok: 'green',
  'torn tail': 'yellow',
  corrupt: 'red',
  gap: 'red',
  'not read': 'dim',
} as const satisfies {
  [state in SegmentState]: string
}

export function showLogReport({ segments, ended }: LogReport): void {
  const number = (id: bigint) => ({ ...cell(String(id)), right: true })
  printTable(
    ['EPOCH', 'FIRST', 'LAST', 'ENTRIES', 'SIZE', 'STATE', 'SEGMENT'],
    segments.map((segment) => [
      ...[segment.epoch, segment.firstId, segment.lastId].map(number),
      count(entriesOf(segment)),
      size(segment.bytes),
      cell(segment.state, COLOURS[segment.state]),
      cell(segment.path),
    ]),
  )
  for (const { state, path, soundEnd, bytes, error } of segments) {
    if (error !== undefined) note(messageOf(error))
    if (state !== 'torn tail') continue
    note(
      `${path} has a torn tail: ${bytes - soundEnd} bytes from byte ${soundEnd} on, which nobody was told to be durable.`,
    )
  }
  if (ended > 0)
    note(`${ended} segments of an epoch that a reset has ended are still there; the next start removes them.`)
}
