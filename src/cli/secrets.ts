import { scrub, secretsOf } from '../postgres/connection'

const ANY_URL = /[a-z][a-z0-9+.-]*:\/\/\S*/gi

/** Whether an argument means a database. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text)
}

/** Every text in the arguments that must not be shown, longest first, so that none is cut by a shorter one. */
function secretsIn(args: readonly string[]): string[] {
  const urls = args.flatMap((arg) => arg.match(ANY_URL) ?? [])
  const found = urls.flatMap((url) => {
    // A password may hold what an URL does not allow there; then all up to the last "@" is taken for it.
    const [, rest = ''] = /^[^:]+:\/\/[^:/@?]*:(.*)@/.exec(url) ?? []
    return [...secretsOf({ connectionString: url }), rest].filter((secret) => secret !== '')
  })
  return found.sort((a, b) => b.length - a.length)
}

/** A text without the passwords of this process's command line and environment. */
export function hideSecrets(text: string): string {
  const { PGPASSWORD = '' } = process.env
  return scrub(text, [...secretsIn(process.argv.slice(2)), ...(PGPASSWORD === '' ? [] : [PGPASSWORD])])
}
