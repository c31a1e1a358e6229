import { messageOf } from '../failure'
import { type Check, type Finding, judge } from './check'
import type { Subject } from './subject'

const WHY = 'Slices and the log in a database are as durable as its settings, and a server does not start without it.'

interface Facts {
  readonly [column: string]: unknown
  readonly version: string
  readonly standby: boolean
  readonly fsync: string
  readonly full_page_writes: string
  readonly schema: boolean
  readonly may_create: boolean | null
}

const ASK = `
  SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync,
         current_setting('full_page_writes') AS full_page_writes,
         to_regnamespace(quote_ident($1)) IS NOT NULL AS schema,
         CASE WHEN to_regnamespace(quote_ident($1)) IS NOT NULL
              THEN has_schema_privilege(to_regnamespace(quote_ident($1)), 'CREATE') END AS may_create`

export async function checkPostgres({ postgres, schema }: Subject): Promise<Check> {
  const check = judge('postgres', WHY)
  if (postgres === undefined) return check.skipped('give --postgres URL')
  const facts = await ask(postgres, schema).catch((error: unknown) => error)
  if (!isFacts(facts))
    return check.fail(
      messageOf(facts),
      'see host, port, user and pg_hba.conf; give the password by PGPASSWORD or ~/.pgpass',
    )
  const findings = findingsOf(facts, schema)
  const server = `PostgreSQL ${facts.version}`
  return check.all(findings.length === 0 ? `${server} can be reached and written to` : server, findings)
}

function findingsOf(
  { standby, schema: exists, fsync, full_page_writes, may_create }: Facts,
  schema: string,
): Finding[] {
  const findings: Finding[] = []
  if (standby)
    findings.push({ status: 'fail', found: 'it is a standby, which only reads', mend: 'connect to the primary' })
  if (fsync !== 'on' || full_page_writes !== 'on') {
    const found = `it runs with fsync=${fsync}, full_page_writes=${full_page_writes}: it may lose what it has confirmed`
    findings.push({ status: 'fail', found, mend: 'switch both on in postgresql.conf' })
  }
  if (!exists) {
    findings.push({
      status: 'fail',
      found: `it has no schema ${schema}`,
      mend: `CREATE SCHEMA, or give another --schema`,
    })
  } else if (may_create !== true) {
    const mend = 'GRANT CREATE ON SCHEMA, or create all tables beforehand'
    findings.push({ status: 'warn', found: `this role may create no tables in ${schema}`, mend })
  }
  return findings
}

function isFacts(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && 'standby' in value
}

const ANSWER_MS = 10_000

async function ask(url: string, schema: string): Promise<Facts> {
  const { plainConnection } = await import('../../postgres/connection.js')
  const { Session } = await import('../../postgres/session.js')
  const session = await Session.open(await plainConnection(url), 'forksnap doctor', ANSWER_MS)
  try {
    const { rows } = await session.query<Facts>('look at the settings', ASK, [schema])
    return rows[0]
  } finally {
    await session.close()
  }
}
