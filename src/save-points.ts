/**
 * Save points, with the meaning that Redis gives to `save <seconds> <changes>`: a save is due once at least `changes`
 * changes have been made since the last save and at least `seconds` have passed since it. With several points the
 * first that is due counts. Pure functions; `schedule.ts` owns the timer.
 */
export interface SavePoint {
  /** Whole seconds since the last save, 1 to 2,147,483. */
  readonly seconds: number
  /** Changes since the last save, a whole number from 1. */
  readonly changes: number
}

/**
 * How many milliseconds from now a save is due if nothing else changes: 0 if it is due already, undefined while too
 * little has changed for any point. `sinceSaveMs` is the time since the last save in milliseconds.
 */
export function savePointDueMs(points: readonly SavePoint[], changes: number, sinceSaveMs: number): number | undefined {
  const reached = points.filter((point) => changes >= point.changes)
  if (reached.length === 0) return undefined
  return Math.max(0, Math.min(...reached.map((point) => point.seconds * 1000)) - sinceSaveMs)
}

/**
 * The number of changes at which the answer of `savePointDueMs` may become sooner; Infinity if it cannot. It lets
 * `changed()`, which runs for every change of the engine, be a comparison.
 */
export function nextChangesThreshold(points: readonly SavePoint[], changes: number): number {
  return Math.min(Infinity, ...points.filter((point) => point.changes > changes).map((point) => point.changes))
}
