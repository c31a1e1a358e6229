import { readHeaderPayload, readTrailerPayload } from './control'
import { checkPayload, checkPreamble, corrupt, decodeFooter, decodeFrameHeader } from './format'
import { FOOTER_BYTES, type FrameHeader, FRAME_HEADER_BYTES, FrameType, PREAMBLE_BYTES } from './format'
import type { SliceHeader, SliceTrailer } from './types'

/** Reads `length` bytes at `position`; fewer only where the slice ends. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>

/** The header of a slice of `size` bytes: at most 1 MiB is read. Throws `ERR_SLICE_CORRUPT`, `ERR_SLICE_VERSION`. */
export async function readHeader(readAt: ReadAt, size: number): Promise<SliceHeader> {
  const start = await readExactly(readAt, 0, PREAMBLE_BYTES + FRAME_HEADER_BYTES, size)
  const chain = checkPreamble(start.subarray(0, PREAMBLE_BYTES))
  const frame = decodeFrameHeader(start.subarray(PREAMBLE_BYTES), chain, PREAMBLE_BYTES)
  checkType(frame, FrameType.header, PREAMBLE_BYTES)
  const payload = await readExactly(readAt, start.length, frame.storedBytes, size)
  checkPayload(frame, payload, PREAMBLE_BYTES)
  return readHeaderPayload(payload, PREAMBLE_BYTES)
}

/**
 * The trailer of a slice of `size` bytes, found from its end without reading the rows: at most 16 MiB is read. It is
 * verified in itself; whether the rows before it are sound, only reading them shows. Throws `ERR_SLICE_CORRUPT`, and
 * `ERR_SLICE_VERSION` for a slice of another version.
 */
export async function readTrailer(readAt: ReadAt, size: number): Promise<SliceTrailer> {
  // A slice of another version may end differently, so its beginning is asked first.
  checkPreamble(await readExactly(readAt, 0, PREAMBLE_BYTES, size))
  if (size < PREAMBLE_BYTES + FOOTER_BYTES) throw corrupt('the slice ends here, it has no trailer', size)
  const footerOffset = size - FOOTER_BYTES
  const footer = decodeFooter(await readExactly(readAt, footerOffset, FOOTER_BYTES, size), footerOffset)
  const { trailerOffset: offset, trailerBytes, chain } = footer
  if (offset < PREAMBLE_BYTES || trailerBytes < FRAME_HEADER_BYTES) {
    throw corrupt('the footer points at no trailer', footerOffset)
  }
  const bytes = await readExactly(readAt, offset, trailerBytes, size)
  const frame = decodeFrameHeader(bytes.subarray(0, FRAME_HEADER_BYTES), chain, offset)
  checkType(frame, FrameType.trailer, offset)
  const payload = bytes.subarray(FRAME_HEADER_BYTES)
  if (payload.length !== frame.storedBytes) throw corrupt('the trailer does not end at the footer', offset)
  checkPayload(frame, payload, offset)
  return { ...readTrailerPayload(payload, chain, offset), bytes: size }
}

async function readExactly(readAt: ReadAt, position: number, length: number, size: number): Promise<Buffer> {
  const available = Math.max(0, Math.min(length, size - position))
  const bytes = available === length ? await readAt(position, length) : Buffer.alloc(0)
  if (bytes.length === length) return bytes
  throw corrupt('the slice ends here, bytes are missing', position + (available === length ? bytes.length : available))
}

function checkType(frame: FrameHeader, type: FrameType, offset: number): void {
  if (frame.type !== type) throw corrupt(`there is a frame of type ${frame.type}, expected ${type}`, offset)
}
