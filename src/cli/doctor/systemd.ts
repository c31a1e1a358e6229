import { join } from 'node:path'
import { type Check, judge } from './check'
import type { Subject } from './subject'
import type { System } from './system'

/** Where units are, those first that win. */
const FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/transient',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
]

const WHY =
  'With KillMode=control-group systemd sends SIGTERM to the child of a snapshot too, which ends the snapshot; with process or none it ' +
  'leaves behind what does not end by itself. With OOMPolicy=stop it stops the server when the OOM killer has taken the child, with kill ' +
  'it has both killed.'
const MEND =
  'KillMode=mixed and OOMPolicy=continue in the [Service] of the unit, then systemctl daemon-reload and a restart'

export function checkSystemd({ system, pid }: Subject): Check {
  const check = judge('systemd', WHY)
  const unit = unitOf(system, pid)
  if (unit === undefined) return check.ok('not under a service of systemd')
  const settings = settingsOf(system, unit)
  if (settings === undefined)
    return check.skipped(`the unit ${unit} was not found; see KillMode and OOMPolicy with systemctl show ${unit}`)
  const killMode = settings.get('KillMode') ?? 'control-group'
  const oomPolicy = settings.get('OOMPolicy') ?? 'stop'
  const found = `${unit} has KillMode=${killMode} and OOMPolicy=${oomPolicy}`
  return killMode === 'mixed' && oomPolicy === 'continue' ? check.ok(found) : check.warn(found, MEND)
}

/** The innermost service among the groups of a process. */
function unitOf(system: System, pid: string): string | undefined {
  const paths = system.lines(`/proc/${pid}/cgroup`).map((line) => line.split(':').slice(2).join(':'))
  const names = paths.flatMap((path) => path.split('/').reverse())
  return names.find((name) => name.endsWith('.service') && !name.startsWith('user@'))
}

/** What the unit's file says and its drop-ins change; undefined without a file. */
function settingsOf(system: System, unit: string): Map<string, string> | undefined {
  const names = [unit, unit.replace(/@.*\.service$/, '@.service')]
  const files = names.flatMap((name) => FOLDERS.map((folder) => join(folder, name)))
  const file = files.find((path) => system.text(path) !== undefined)
  if (file === undefined) return undefined
  const settings = new Map<string, string>()
  for (const path of [file, ...dropIns(system, names)]) {
    for (const line of system.lines(path)) {
      const [, key, value] = /^\s*(KillMode|OOMPolicy)\s*=\s*(.*?)\s*$/.exec(line) ?? []
      if (key !== undefined && value !== undefined) settings.set(key, value)
    }
  }
  return settings
}

/** In the order of their names; one name counts once, in the folder that wins. */
function dropIns(system: System, units: readonly string[]): string[] {
  const found = new Map<string, string>()
  for (const folder of units.flatMap((unit) => FOLDERS.map((one) => join(one, `${unit}.d`)))) {
    for (const name of system.names(folder)) {
      if (name.endsWith('.conf') && !found.has(name)) found.set(name, join(folder, name))
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
}
