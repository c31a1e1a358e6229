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

/** One of several things that are wrong in what one check looks at. */
export interface Finding {
  readonly status: 'warn' | 'fail'
  readonly found: string
  readonly mend: string
}

/** A check whose reason and remedy are known before it looks. */
export function judge(id: string, why: string) {
  const ok = (found: string): Check => ({ id, status: 'ok', found, why })
  return {
    ok,
    warn: (found: string, mend: string): Check => ({ id, status: 'warn', found, why, mend }),
    fail: (found: string, mend: string): Check => ({ id, status: 'fail', found, why, mend }),
    skipped: (found: string): Check => ({ id, status: 'skipped', found, why }),
    /** All findings, so that none hides another: those that fail first. `fact` is said before them, and alone if all is well. */
    all(fact: string, findings: readonly Finding[]): Check {
      // No toSorted: Node 18 has none, and is to be told that it is too old.
      const worstFirst = [...findings].sort((a, b) => Number(b.status === 'fail') - Number(a.status === 'fail'))
      if (findings.length === 0) return ok(fact)
      const found = [fact, ...worstFirst.map((one) => one.found)].join('; ')
      const mend = [...new Set(worstFirst.map((one) => one.mend))].join('; ')
      return { id, status: worstFirst[0].status, found, why, mend }
    },
  }
}
