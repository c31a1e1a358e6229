import { type FileHandle, open } from 'node:fs/promises'
import { readBlobPayload, readTablePayload } from '../slice/control'
import {
  checkPayload,
  checkPreamble,
  corrupt,
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameType,
  PREAMBLE_BYTES,
} from '../slice/format'
import type { Column } from '../slice/types'
import type { SliceSource } from '../store/store'

/** A table or blob of a slice. The sizes are those of its data, unknown (undefined) in a database. */
export interface Section {
  readonly kind: 'table' | 'blob'
  readonly name: string
  readonly columns?: readonly Column[]
  readonly storedBytes?: number
  readonly rawBytes?: number
}

/**
 * Goes from frame to frame of a slice's file and reads only what names tables and blobs: quick however long it is. The
 * headers' chain of checksums is verified on the way; rows are not.
 */
export async function fileSections(source: SliceSource): Promise<Section[]> {
  const file = await open(source.info.location)
  try {
    return await walk(file)
  } finally {
    await file.close()
  }
}

async function walk(file: FileHandle): Promise<Section[]> {
  const sections: Section[] = []
  let chain = checkPreamble(await readAt(file, 0, PREAMBLE_BYTES))
  let current: { storedBytes: number; rawBytes: number } = { storedBytes: 0, rawBytes: 0 }
  for (let at = PREAMBLE_BYTES; ;) {
    const frame = decodeFrameHeader(await readAt(file, at, FRAME_HEADER_BYTES), chain, at)
    if (frame.type === FrameType.trailer) return sections
    const begun = await sectionOf(file, frame, at)
    if (begun !== undefined) {
      const section = { ...begun, storedBytes: 0, rawBytes: 0 }
      sections.push(section)
      current = section
    } else if (frame.type === FrameType.rows || frame.type === FrameType.blobData) {
      current.storedBytes += frame.storedBytes
      current.rawBytes += frame.rawBytes
    }
    chain = frame.chain
    at += FRAME_HEADER_BYTES + frame.storedBytes
  }
}

async function sectionOf(file: FileHandle, frame: FrameHeader, at: number): Promise<Section | undefined> {
  if (frame.type !== FrameType.table && frame.type !== FrameType.blob) return undefined
  const payload = await readAt(file, at + FRAME_HEADER_BYTES, frame.storedBytes)
  checkPayload(frame, payload, at)
  if (frame.type === FrameType.blob) return { kind: 'blob', name: readBlobPayload(payload, at).name }
  return { kind: 'table', ...readTablePayload(payload, at) }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead === length) return buffer
  throw corrupt('the slice ends here, bytes are missing', position + bytesRead)
}
