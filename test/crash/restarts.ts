import { Draw } from '../power/draw'
import type { Line } from './lines'
import { Model } from './model'
import { runEngine } from './run'

export interface RestartReport {
  restarts: number
  /** Of them those between a fork and the end of its snapshot. */
  duringSnapshots: number
  acknowledged: number
  saved: number
  notSaved: number
}

/** An engine tells some hundreds of lines while a snapshot is under way. */
const LINES_MAX = 400

/**
 * Runs an engine whose database server is restarted so many times, in the middle of slices and of batches of the log, and
 * then looks at what another one recovers. Throws a `Loss` if that is not what was acknowledged.
 */
export async function runRestarts(
  place: string,
  restart: () => void,
  count: number,
  seed: number,
): Promise<RestartReport> {
  const draw = new Draw(seed)
  const model = new Model()
  const report: RestartReport = { restarts: 0, duringSnapshots: 0, acknowledged: 0, saved: 0, notSaved: 0 }
  let snapshotRuns = false
  let acknowledgedSince = 0
  let linesLeft = draw.scale(LINES_MAX)

  const killAt = (line: Line): boolean => {
    if (line.tell === 'forked') snapshotRuns = true
    if (line.tell === 'saved' || line.tell === 'not saved') snapshotRuns = false
    if (line.tell === 'acknowledged') acknowledgedSince++
    // Half of the restarts are counted from a fork on, so that they come while a child or the writer process is at work.
    if (line.tell === 'forked' && draw.chance(50)) linesLeft = draw.scale(LINES_MAX)
    if (--linesLeft > 0 || acknowledgedSince === 0) return false
    if (report.restarts === count) return true
    restart()
    report.restarts++
    if (snapshotRuns) report.duringSnapshots++
    acknowledgedSince = 0
    linesLeft = LINES_MAX + draw.scale(LINES_MAX)
    return false
  }
  const run = { program: 'crash-postgres', settings: { place, seed } }
  await runEngine({ ...run, killAt, msMax: 60_000 + count * 5_000 }, (line) => {
    model.hear(line)
    if (line.tell === 'acknowledged') report.acknowledged++
    if (line.tell === 'saved') report.saved++
    if (line.tell === 'not saved') report.notSaved++
  })
  await runEngine({ ...run, settings: { ...run.settings, operations: 0 } }, (line) => model.hear(line))
  return report
}
