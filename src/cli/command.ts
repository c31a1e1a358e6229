/** A subcommand of `forksnap`. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly usage: string
  /** Sets `process.exitCode`. Throws `UsageError`, or an error of `parseArgs`, for wrong arguments. */
  run(args: readonly string[]): void
}

/** The command line is wrong: told with the usage, and exit code 64. */
export class UsageError extends Error {}
