import { messageOf } from '../failure'
import { type Check, judge } from './check'
import type { Subject } from './subject'

const WHY = 'Slices and the log in a database are as durable as its settings, and a start waits for it.'

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
  const server = `PostgreSQL ${facts.version}`
  if (facts.standby) return check.fail(`${server} is a standby, which only reads`, 'connect to the primary')
  if (!facts.schema) return check.fail(`${server} has no schema ${schema}`, `CREATE SCHEMA, or give --schema`)
  if (facts.fsync !== 'on' || facts.full_page_writes !== 'on') {
    const found = `${server} runs with fsync=${facts.fsync}, full_page_writes=${facts.full_page_writes}`
    return check.fail(`${found}: it may lose what it has confirmed`, 'switch both on in postgresql.conf')
  }
  if (facts.may_create !== true) {
    return check.warn(
      `${server}: this role may create no tables in ${schema}`,
      'GRANT CREATE, or create all tables beforehand',
    )
  }
  return check.ok(`${server} can be reached and written to`)
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
