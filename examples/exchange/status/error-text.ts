const LENGTH_MAX = 500

/** An error for people: its code if it has one, and its message, cut where it gets too long for a page. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? describe(error) : String(error)
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text
}

function describe(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message
}
