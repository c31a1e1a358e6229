import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The program that `npm run NAME` runs, as `Fixture` names it. */
export function programOf(name: string): string {
  const { scripts } = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string | undefined>>
  }
  const [, program] =
    /^(?:node dist\/src\/cli\/main\.js exec -- )?node dist\/(\S+)\.js$/.exec(scripts[name] ?? '') ?? []
  if (program === undefined) throw new Error(`npm run ${name} does not run one compiled program: ${scripts[name]}`)
  return `../../${program}`
}
