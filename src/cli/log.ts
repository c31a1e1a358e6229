import type { Command } from 'commander'
import type * as Inspect from './log-inspect'
import type * as Show from './log-show'
import type * as Verify from './log-verify'
import { parseCount, parseId, withJson } from './arguments'

const WHERE = 'the directory of a log or a postgres:// URL'

const INSPECT_HELP = `
Looks at the headers of the segments and reads the last one, so it is quick; "forksnap log verify" reads all of it.

Examples:
  $ forksnap log inspect ./data/oplog
  $ forksnap log inspect postgres://app@db/exchange --table exchange.operation_log --json
`

const VERIFY_HELP = `
Reads every entry and checks every checksum, that no id is missing and that no segment is. A torn tail is what a crash left half
written: nobody was told that it is durable, and the next start of the server cuts it. Damage before the durable end is
corruption, which is never cut.

--repair cuts a torn tail now. It takes the log's lock, so no server may be running on it; it copies the whole segment
first, to a file beside it whose name ends in ".torn" and the time, or into --backup. The exit code is 1 if anything is wrong that
was not repaired.

Examples:
  $ forksnap log verify ./data/oplog
  $ forksnap log verify ./data/oplog --repair --backup /backup
`

const SHOW_HELP = `
Writes one JSON object for each entry: {"id":"1","time":"2026-01-02T03:04:05.678Z","method":...,"params":...}

Examples:
  $ forksnap log show ./data/oplog --after 41 --limit 10
  $ forksnap log show ./data/oplog | jq -r .method | sort | uniq -c
`

export function addLog(command: Command): void {
  const sub = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .argument('<where>', WHERE)
      .option('--table <name>', 'the table in the database (default: public.operation_log)')
  withJson(sub('inspect', 'show the segments of a log and where it begins and ends'))
    .addHelpText('after', INSPECT_HELP)
    .action(async (...args: Parameters<typeof Inspect.inspectLog>) =>
      (await import('./log-inspect.js')).inspectLog(...args),
    )
  withJson(sub('verify', 'check every entry of a log'))
    .option('--repair', 'cut a torn tail, after a copy of the segment was made')
    .option('--backup <directory>', 'where the copy goes (default: beside the segment)')
    .option('--no-progress', 'no progress bar, on a terminal either')
    .addHelpText('after', VERIFY_HELP)
    .action(async (...args: Parameters<typeof Verify.verifyLog>) =>
      (await import('./log-verify.js')).verifyLog(...args),
    )
  sub('show', 'write the entries as JSON Lines')
    .option('--after <id>', 'begin behind this entry (default: with the first)', parseId)
    .option('--limit <count>', 'write so many at most', parseCount)
    .addHelpText('after', SHOW_HELP)
    .action(async (...args: Parameters<typeof Show.showLog>) => (await import('./log-show.js')).showLog(...args))
}
