import { scrub, secretsOf } from '../postgres/connection'

const ANY_URL = /[a-z][a-z0-9+.-]*:\/\/.*/gis

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

/** A text without the passwords that this process's command line holds. */
export function hideSecrets(text: string): string {
  return scrub(text, secretsIn(process.argv.slice(2)))
}

/** A URL without its password, for people. */
export function shownUrl(url: string): string {
  return url.replace(/^([^:]+:\/\/[^:/@?]*):.*@/, '$1:***@').replace(/([?&]password=)[^&#]*/g, '$1***')
}
