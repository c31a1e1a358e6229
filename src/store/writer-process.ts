/**
 * The writer process of a PostgresStore: a plain Node program that reads slices from the children of its parent and copies
 * them into the database. It is started by `WriterProcess` and talks to it over its channel only; secrets come that way
 * too. It ends when the channel does, and what was not committed by then is rolled back by the server.
 */
import { ForksnapError } from '../errors'
import { secretsOf } from '../postgres/connection'
import { type Answer, type Methods, type Question, toWire } from './writer-process-protocol'
import { WriterSlice } from './writer-process-slice'

const slices = new Map<bigint, WriterSlice>()
/** Of every connection that the parent has named: what failed may be an earlier slice. */
const secrets = new Set<string>()

function sliceOf(sliceId: bigint): WriterSlice {
  const slice = slices.get(sliceId)
  if (slice === undefined) throw new ForksnapError('ERR_INVALID_STATE', `There is no slice ${sliceId} in work`)
  return slice
}

const methods: Methods = {
  alive: () => Promise.resolve(),
  async begin(request) {
    for (const secret of secretsOf(request.connection)) secrets.add(secret)
    const slice = await WriterSlice.begin(request)
    slices.set(slice.sliceId, slice)
    return slice.describe()
  },
  // eslint-disable-next-line @typescript-eslint/require-await -- An error must come as a rejection.
  async opened(sliceId) {
    sliceOf(sliceId).opened()
  },
  async loaded(sliceId) {
    const { header, trailer } = await sliceOf(sliceId).loaded()
    return { position: header.meta.position ?? 0n, trailer }
  },
  // eslint-disable-next-line @typescript-eslint/require-await -- An error must come as a rejection.
  async failure(sliceId) {
    const { failure } = sliceOf(sliceId)
    return failure === undefined ? undefined : toWire(failure, [...secrets])
  },
  async commit(request) {
    return sliceOf(request.sliceId)
      .commit(request)
      .finally(() => slices.delete(request.sliceId))
  },
  async cancel(sliceId) {
    const slice = slices.get(sliceId)
    slices.delete(sliceId)
    await slice?.cancel()
  },
}

async function answer({ id, method, argument }: Question): Promise<Answer> {
  try {
    return { id, value: await methods[method](argument as never) }
  } catch (error) {
    return { id, error: toWire(error, [...secrets]) }
  }
}

function end(code: number): never {
  for (const slice of slices.values()) slice.forget()
  process.exit(code)
}

/** Without a listener for the channel's error, a parent that is gone would make an uncaught exception of it. */
function ignore(): void {}

process.title = 'forksnap-writer'
// Ctrl-C goes to the terminal's whole group, and the last snapshot of a shutdown still needs this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => end(0))
process.on('message', (question: Question) => {
  void answer(question).then((said) => {
    if (process.connected) process.send?.(said, ignore)
  })
})
process.send?.({ ready: true }, ignore)
