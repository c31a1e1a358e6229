import { Reaper } from './reaper'

let rehearsed = false

/**
 * Runs once what the first pause of a process would otherwise be the first to run, since V8 compiles a function when it
 * is first called: the watch over a child, and `others`, which must do no harm and is given by who knows them.
 */
export function rehearse(others: () => void): void {
  if (rehearsed) return
  rehearsed = true
  others()
  // A process is no child of its own: the watch finds that out at once, and ends.
  new Reaper(process.pid)
}
