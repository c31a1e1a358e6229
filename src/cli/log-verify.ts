import { PROBLEM } from './exit-codes'
import { isBad, logAsJson, showLogReport } from './log-inspect'
import { type LogOptions, logPlaceOf, nothingThere, ownerOf } from './log-place'
import { type Repaired, repairLog } from './log-repair'
import { scanLog } from './log-scan'
import { UsageError } from './command'
import { cell, count, note, printJson, printPairs } from './output'
import { type Place, placeOf } from './place'
import { progressBar } from './progress'

interface Options extends LogOptions {
  readonly json?: true
  readonly repair?: true
  readonly backup?: string
  readonly progress: boolean
}

export async function verifyLog(where: string, options: Options): Promise<void> {
  if (options.backup !== undefined && !options.repair) throw new UsageError('--backup belongs to --repair')
  const place = await logPlaceOf(where, options)
  if (place.kind === 'postgres') return verifyDatabase(place, options)
  // Before anything is done, and whether there is something to copy or not.
  const { backup } = options
  if (backup !== undefined && (await placeOf(backup)).kind !== 'directory')
    throw new UsageError(`--backup ${backup} is no directory`)
  const repaired = options.repair ? await repairLog(place.path, backup) : undefined
  const bar = progressBar('log', options.progress)
  const report = await scanLog(place.path, false, bar.at).finally(() => bar.end())
  if (report.segments.length === 0) throw nothingThere(place)
  const ok = !isBad(report)
  if (!ok) process.exitCode = PROBLEM
  if (options.json) return printJson({ place: place.shown, ok, ...logAsJson(report), ...(repaired && { repaired }) })
  if (repaired !== undefined) tell(repaired)
  else if (options.repair) note('There is no torn tail to cut.')
  showLogReport(report)
  if (ok || options.repair) return
  const owner = await ownerOf(place.path)
  if (owner !== undefined) note(`Process ${owner} owns the log: what it is writing just now may look torn.`)
  else if (report.segments.some(({ state }) => state === 'torn tail')) note('--repair cuts it, as the next start does.')
}

function tell({ segment, offset, bytes, backup }: Repaired): void {
  note(`${bytes} bytes were cut off ${segment} at byte ${offset}. The segment as it was is in ${backup}.`)
}

async function verifyDatabase(place: Place, options: Options): Promise<void> {
  if (options.repair) throw new UsageError('a log in a database has no tail to cut: the database recovers by itself')
  const { verifyDatabaseLog } = await import('./log-database.js')
  const ends = await verifyDatabaseLog(place, options)
  if (ends === undefined) throw nothingThere(place)
  if (options.json) return printJson({ place: place.shown, ok: true, ...ends })
  printPairs([
    ['first', cell(String(ends.firstId))],
    ['last', cell(String(ends.lastId))],
    ['entries', count(ends.entries)],
    ['result', cell('ok', 'green')],
  ])
}
