import { runFixture } from './store-fixture'

let found: ReadonlyMap<string, readonly string[]> | undefined

/**
 * The options of each command, by its words (`log verify`); those of the program itself are under the empty name. Asked in
 * a process of its own: the command line loads its commands by `import()`, which Jest has not.
 */
export function commandOptions(): ReadonlyMap<string, readonly string[]> {
  return (found ??= new Map(runFixture('cli-program', []) as [string, string[]][]))
}
