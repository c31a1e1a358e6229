#!/usr/bin/env node
import { errnoOf } from '../errors'
import { type Command, UsageError } from './command'
import { exec } from './exec'

const COMMANDS: readonly Command[] = [exec]
/** EX_USAGE of sysexits.h. */
const WRONG_USAGE = 64

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`)
  return `Usage: forksnap COMMAND\n\n${lines.join('')}\n"forksnap COMMAND --help" tells more.\n`
}

function isUsageError(error: unknown): error is Error {
  return error instanceof UsageError || (errnoOf(error)?.startsWith('ERR_PARSE_ARGS') ?? false)
}

function main([name, ...args]: readonly string[]): void {
  if (name === '--help' || name === 'help') return void process.stdout.write(overview())
  const command = COMMANDS.find((one) => one.name === name)
  try {
    if (command === undefined) throw new UsageError(name === undefined ? 'no command' : `no such command: ${name}`)
    command.run(args)
  } catch (error) {
    if (!isUsageError(error)) throw error
    console.error(`forksnap: ${error.message}\n\n${command?.usage ?? overview()}`)
    process.exitCode = WRONG_USAGE
  }
}

main(process.argv.slice(2))
