import { FileOperationLog } from '../../src/oplog/file'
import { CommandStore } from '../../src/store/command'
import { FileStore } from '../../src/store/file'

/** What can own a directory, by its name. */
export const ownerKinds = ['FileStore', 'FileOperationLog', 'CommandStore'] as const

export interface FileOwner {
  start(): Promise<unknown>
  close(): Promise<void>
}

export function ownerOf(kind: string, directory: string): FileOwner {
  if (kind === 'FileStore') return new FileStore({ directory })
  if (kind === 'FileOperationLog') return new FileOperationLog({ directory })
  if (kind === 'CommandStore')
    return new CommandStore({ directory, command: ['dd', `of=${directory}/stored-{sliceId}`] })
  throw new Error(`no owner ${kind}`)
}
