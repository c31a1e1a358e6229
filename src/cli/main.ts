#!/usr/bin/env node
import { errnoOf } from '../errors'
import { UsageError } from './command'
import { exec } from './exec'
import { WRONG_USAGE } from './exit-codes'

/** Becomes another program, and so does without all that the other commands need. */
function runExec(args: readonly string[]): void {
  try {
    exec.run(args)
  } catch (error) {
    const wrong = error instanceof UsageError || (errnoOf(error)?.startsWith('ERR_PARSE_ARGS') ?? false)
    if (!wrong) throw error
    console.error(`forksnap: ${(error as Error).message}\n\n${exec.usage}`)
    process.exitCode = WRONG_USAGE
  }
}

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === exec.name) return runExec(args)
  if (name === 'help' && args[0] === exec.name) return runExec(['--help'])
  const { run } = await import('./program.js')
  await run(process.argv.slice(2))
}

void main(process.argv.slice(2))
