export type Status = 'ok' | 'warn' | 'fail' | 'skipped'

/** What one look has found. */
export interface Check {
  /** For programs: stays the same from release to release. */
  readonly id: string
  readonly status: Status
  /** What was found, with figures. */
  readonly found: string
  /** Why it matters. */
  readonly why: string
  /** How to mend it; missing where there is nothing to mend. */
  readonly mend?: string
}

/** A check whose reason and remedy are known before it looks. */
export function judge(id: string, why: string) {
  return {
    ok: (found: string): Check => ({ id, status: 'ok', found, why }),
    warn: (found: string, mend: string): Check => ({ id, status: 'warn', found, why, mend }),
    fail: (found: string, mend: string): Check => ({ id, status: 'fail', found, why, mend }),
    skipped: (found: string): Check => ({ id, status: 'skipped', found, why }),
  }
}
