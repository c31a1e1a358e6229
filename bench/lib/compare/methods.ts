import type { Method } from './method'

/** Strings longer than this are refused by V8; an order takes up to 230 bytes in JSON. */
const STRING_LENGTH_MAX = 2 ** 29 - 24
const JSON_BYTES = 230

/** All methods, in the order of the report. */
export const METHODS: readonly Method[] = [
  {
    id: 'heap',
    label: 'forksnap (heap)',
    kind: 'forks',
    about: 'A child of fork() writes rows of the orders, plain objects in the heap as V8 lays it out.',
    estimatedBytesPerRecord: 600,
  },
  {
    id: 'packed',
    label: 'forksnap (packed heap)',
    kind: 'forks',
    about: 'The same program started with forksnap exec, which packs the heap into huge pages.',
    estimatedBytesPerRecord: 700,
  },
  {
    id: 'arena',
    label: 'forksnap (arena)',
    kind: 'forks',
    about: 'The same orders as columns of numbers in an arena of huge pages, written as one blob.',
    estimatedBytesPerRecord: 200,
  },
  {
    id: 'redis',
    label: 'Redis BGSAVE',
    kind: 'forks',
    about: 'A redis-server with a string of the same JSON for each order, under SETs of one client, 16 at a time.',
    estimatedBytesPerRecord: 600,
  },
  {
    id: 'floor',
    label: 'fork() in plain C',
    kind: 'floor',
    about:
      'A C program with the mappings and resident pages of the process of “forksnap (heap)”: what the kernel needs alone.',
    estimatedBytesPerRecord: 1_200,
  },
  {
    id: 'stringify',
    label: 'JSON.stringify',
    kind: 'stops',
    about: 'One call for all orders, then the text is written to a file.',
    estimatedBytesPerRecord: 1_100,
    most: {
      records: Math.floor(STRING_LENGTH_MAX / JSON_BYTES),
      reason: 'the text would be longer than the longest string of V8 (512 Mi characters)',
    },
  },
  {
    id: 'serialize',
    label: 'v8.serialize',
    kind: 'stops',
    about: 'One call for all orders, then the bytes are written to a file.',
    estimatedBytesPerRecord: 1_100,
  },
  {
    id: 'post-message',
    label: 'postMessage to a Worker',
    kind: 'stops',
    about: 'A structured clone of all orders, which a Worker writes to a file as lines of JSON.',
    estimatedBytesPerRecord: 1_600,
  },
  {
    id: 'sliced',
    label: 'setImmediate slices',
    kind: 'inconsistent',
    about: 'A thousand orders at a time as lines of JSON, between them the load: the file mixes many instants.',
    estimatedBytesPerRecord: 700,
  },
  {
    id: 'sqlite',
    label: 'SQLite, every change',
    kind: 'continuous',
    about:
      'Every operation updates its row too, in a transaction of its own (better-sqlite3, write-ahead log, synchronous = NORMAL); watched for two seconds. Its total time is that of the first filling.',
    estimatedBytesPerRecord: 700,
  },
]

export function methodOf(id: string): Method {
  const method = METHODS.find((one) => one.id === id)
  if (method === undefined)
    throw new RangeError(`no method ${id}; there are ${METHODS.map((one) => one.id).join(', ')}`)
  return method
}
