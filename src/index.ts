/** forksnap: consistent snapshots of a living Node.js process. The public API, and nothing else. */
export { fork } from './bare-fork'
export { forkChild, type ChildFunction } from './fork'
export type { ForkChildOptions } from './fork-child-options'
export { waitpid, WNOHANG, type WaitStatus } from './wait'
export { assertSupported, isSupported } from './platform'
export { ForksnapError, isForksnapError, type ForksnapErrorCode, type ForksnapErrorDetails } from './errors'
export type { ChildContext, ChildCost, ChildOptions, ChildResult, ForkInfo, PauseParts, Progress } from './fork-job'
export type { Collections, PageFaults, ParentCost } from './parent-cost'
export type { LoopDelay } from './loop-delay'
export { Snapshotter } from './snapshotter'
export type { CloseOptions, SaveOptions } from './save-options'
export type { DurableLog, LimitOptions, RetryOptions, SnapshotterOptions, WarmUpOptions } from './options'
export type { SnapshotterEvents } from './events'
export type { DescribedError, SnapshotterStats } from './stats'
export type { LogLevel, LogMethod, Logger } from './logger'
export type {
  ChildMessage,
  CommitMessage,
  DiagnosticsChannel,
  DiagnosticsMessages,
  ForkMessage,
  QuiesceMessage,
  SaveIdentity,
} from './diagnostics'
export type { Health } from './health'
export type { SavePoint } from './save-points'
export type { Saved, SaveReason } from './saved'
export { FileStore } from './store/file'
export { CommandStore, type Command, type CommandStoreOptions } from './store/command'
export { PostgresOperationLog } from './oplog/postgres'
export type { Appended, LogEntry, LogStart, NewOperation, OperationLog } from './oplog/oplog'
export type { LogRetryOptions, PostgresOperationLogOptions } from './oplog/postgres-options'
export { PostgresStore, type PostgresStoreOptions } from './store/postgres'
export type { PostgresConnection } from './postgres/connection'
export type { TableName } from './postgres/identifiers'
export { openNewest, type OpenNewestOptions } from './store/newest'
export type { SliceHandlers, SliceInfo, SliceSink, SliceSource, SliceStore, SliceWriting } from './store/store'
export { timestampToMs } from './slice/time'
export type { FileStoreOptions } from './store/file-options'
export { startTogether } from './start-together'
export { recover, type RecoverOptions, type RecoverProgress, type RecoverReport } from './recover'
export type {
  BlobHandler,
  FieldsHandler,
  PassedOver,
  RecoveredLog,
  RecoveredSlice,
  RestoreHandlers,
  RowHandler,
} from './recover'
export type { KeepPolicy } from './store/retention'
export { Arena, type ArenaOptions, type ArenaStats } from './arena/arena'
export type { ArenaPages } from './arena/pages'
export type { ColumnKind, ColumnOf, TableSchema } from './arena/columns'
export type { ArenaTable, ArenaTableOptions, TableColumns } from './arena/table'
export type { BackOff } from './back-off'
export type { CleanupStep } from './events'
export type * from './slice/types'
export { FileOperationLog } from './oplog/file'
export type { FileOperationLogOptions, FsyncPolicy } from './oplog/file-options'
