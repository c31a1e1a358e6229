/** A subcommand that is run before the command line library is loaded, since it becomes another program. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly usage: string
  /** Sets `process.exitCode`. Throws `UsageError`, or an error of `parseArgs`, for wrong arguments. */
  run(args: readonly string[]): void
}

/** The command line is wrong: exit code `WRONG_USAGE`. */
export class UsageError extends Error {}
