import { plainConnection } from '../postgres/connection'
import { Session } from '../postgres/session'
import type { SliceSource } from '../store/store'
import { PostgresStore } from '../store/postgres'
import { findSlice } from '../store/postgres-catalogue'
import { type PostgresStoreOptions, resolvePostgresOptions } from '../store/postgres-options'
import type { Place } from './place'
import type { Section } from './sections'
import type { Slices, StoreNames } from './slices'

/** What needs `pg`: loaded only for a place in a database. */

export function storeOptions(url: string, { schema, name }: StoreNames): PostgresStoreOptions {
  return { connection: url, ...(schema === undefined ? {} : { schema }), ...(name === undefined ? {} : { name }) }
}

export function databaseSlices(place: Place, names: StoreNames): Slices {
  const options = storeOptions(place.path, names)
  const store = new PostgresStore(options)
  return {
    place,
    list: () => store.list(),
    resetEpoch: () => store.resetEpoch,
    open: (sliceId) => store.open(sliceId),
    sections: (source) => databaseSections(options, source),
  }
}

async function databaseSections(options: PostgresStoreOptions, { info }: SliceSource): Promise<Section[]> {
  const { layout, connection, answerMs } = resolvePostgresOptions(options)
  const session = await Session.open(await plainConnection(connection), 'forksnap', answerMs)
  try {
    const { contents } = await findSlice(session, layout, info.sliceId)
    return contents.map((content) => {
      if (content.kind === 'blob') return { kind: 'blob', name: content.name, rawBytes: content.bytes }
      // The first column is the slice's number, which the writer never saw.
      return { kind: 'table', name: content.name, columns: content.columns.slice(1) }
    })
  } finally {
    await session.close()
  }
}
