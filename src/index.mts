/**
 * For `import`: the names of the CommonJS build. There is only that one, so that a program that comes by both ways has one
 * `Snapshotter`, one addon, one `ForksnapError`. A test compares the names.
 */
export type * from './index.js'
export {
  Arena,
  CommandStore,
  FileOperationLog,
  FileStore,
  ForksnapError,
  PostgresOperationLog,
  PostgresStore,
  Snapshotter,
  WNOHANG,
  assertSupported,
  fork,
  forkChild,
  isForksnapError,
  isSupported,
  openNewest,
  recover,
  startTogether,
  timestampToMs,
  waitpid,
} from './index.js'
