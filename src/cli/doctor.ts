import { type Command, InvalidArgumentError } from 'commander'
import { parseBytes, withJson } from './arguments'
import type { Check, Status } from './doctor/check'
import { residentBytes, type Subject } from './doctor/subject'
import { System } from './doctor/system'
import { PROBLEM } from './exit-codes'
import { print, printable, printJson, type Style, style, terminal } from './output'
import { placeOf } from './place'
import { Problem } from './problem'
import { isPostgresUrl } from './secrets'
import { UsageError } from './command'

const HELP = `
Each check is ok, warn, fail or skipped (nothing to look at, or nothing to compare it with). Run it as the user, and in the
container or unit, of the server: what it sees is what the server gets. The exit code is 1 if a check fails, with --strict
also if one warns.

Examples:
  $ forksnap doctor --state-bytes 4GiB --slices ./data/slices --log ./data/oplog
  $ forksnap doctor --pid 4711
  $ forksnap doctor --postgres postgres://app@db/exchange
  $ forksnap doctor --json | jq -r '.checks[] | select(.status == "fail") | .id'
`

interface Options {
  readonly stateBytes?: number
  readonly pid?: string
  readonly slices?: string
  readonly log?: string
  readonly postgres?: string
  readonly schema?: string
  readonly root?: string
  readonly strict?: true
  readonly json?: true
}

export function addDoctor(command: Command): void {
  withJson(command)
    .option('--state-bytes <size>', 'how large the state of the server will be, such as 4GiB', parseBytes)
    .option('--pid <pid>', 'a running server: its memory, limits, options and unit are looked at', parsePid)
    .option('--slices <directory>', 'where the slices go')
    .option('--log <directory>', 'where the operation log goes')
    .option('--postgres <url>', 'the database; give the password by PGPASSWORD or ~/.pgpass')
    .option('--schema <name>', 'schema of the tables in the database (default: public)')
    .option('--root <directory>', 'read /proc, /sys and /etc below this directory')
    .option('--strict', 'a warning counts as a failure')
    .addHelpText('after', HELP)
    .action(doctor)
}

function parsePid(text: string): string {
  if (/^[1-9]\d{0,9}$/.test(text)) return text
  throw new InvalidArgumentError('It must be the number of a process.')
}

async function doctor(options: Options): Promise<void> {
  const { runChecks } = await import('./doctor/checks.js')
  const checks = await runChecks(await subjectOf(options))
  const has = (status: Status): boolean => checks.some((check) => check.status === status)
  const bad = has('fail') || (options.strict === true && has('warn'))
  if (bad) process.exitCode = PROBLEM
  const worst = (['fail', 'warn'] as const).find(has) ?? 'ok'
  if (options.json) printJson({ ok: !bad, status: worst, checks })
  else show(checks)
}

async function subjectOf(options: Options): Promise<Subject> {
  const { pid = 'self', slices, log, postgres, schema, root } = options
  if (postgres !== undefined && !isPostgresUrl(postgres)) throw new UsageError('--postgres needs a postgres:// URL')
  // As an unset variable of a shell gives it.
  if (slices === '' || log === '') throw new UsageError('--slices and --log need the name of a directory')
  if (postgres === undefined && schema !== undefined) throw new UsageError('--schema belongs to --postgres')
  if (root !== undefined && (await placeOf(root)).kind !== 'directory') throw new UsageError(`${root} is no directory`)
  const system = new System(root)
  if (pid !== 'self' && system.text(`/proc/${pid}/status`) === undefined)
    throw new Problem(`There is no process ${pid}`)
  const own = pid === 'self' ? undefined : residentBytes(system, pid)
  const stateBytes = options.stateBytes ?? own
  return { system, pid, stateBytes, residentBytes: own ?? 0, slices, log, postgres, schema: schema ?? 'public' }
}

const STYLES: { readonly [status in Status]: readonly Style[] } = {
  ok: ['green'],
  warn: ['yellow'],
  fail: ['red', 'bold'],
  skipped: ['dim'],
}

/** On a terminal also why it matters; in a pipe one line for each check, of columns separated by tabs. */
function show(checks: readonly Check[]): void {
  if (!terminal) {
    for (const { status, id, found, mend = '' } of checks) {
      print(`${[status, id, found, mend].map(printable).join('\t')}\n`)
    }
    return
  }
  const width = Math.max(...checks.map(({ id }) => id.length))
  for (const { id, status, found, why, mend } of checks) {
    print(`${style(status.padEnd(7), ...STYLES[status])}  ${id.padEnd(width)}  ${printable(found)}\n`)
    if (mend === undefined) continue
    const indent = ' '.repeat(7 + 2 + width + 2)
    print(`${indent}${style('why:', 'dim')} ${printable(why)}\n${indent}${style('mend:', 'dim')} ${printable(mend)}\n`)
  }
  print(`\n${summary(checks)}\n`)
}

function summary(checks: readonly Check[]): string {
  const order: readonly Status[] = ['ok', 'warn', 'fail', 'skipped']
  const parts = order.map((status) => `${checks.filter((check) => check.status === status).length} ${status}`)
  return parts.join(', ')
}
