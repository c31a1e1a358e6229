import type { Command } from 'commander'
import { parseCount, withJson } from './arguments'

const HELP = `
Builds so many small objects, forks a child that counts them, and measures how long the process stands still for it: the pause
of a snapshot of a state of that size. "longest gap" is the longest time that the event loop did not turn from the beginning of the
work to the child's end, "delay" that of the event loop while the child lived. It first sees whether there is memory for it, and does nothing if there is not. Larger
heaps need a larger limit, and "forksnap exec" shows what a packed heap does.

Examples:
  $ forksnap bench
  $ NODE_OPTIONS=--max-old-space-size=4096 forksnap bench --objects 10000000
  $ forksnap exec -- forksnap bench --objects 1000000
`

export function addBench(command: Command): void {
  withJson(command)
    .option('--objects <count>', 'objects in the state', parseCount, 100_000)
    .option('--runs <count>', 'forks to measure', parseCount, 5)
    .addHelpText('after', HELP)
    .action(async (options: { readonly objects: number; readonly runs: number; readonly json?: true }) => {
      const { bench } = await import('./bench-run.js')
      await bench(options)
    })
}
