import type { FileHandle } from 'node:fs/promises'
import { lineOf, type Order } from './orders'

/** Orders that are made to lines and written at a time. */
const PORTION = 1_000

/** Writes orders as lines of JSON; `onPortion` is awaited after each portion, and told how long making it took. */
export async function writeLines(
  file: FileHandle,
  orders: readonly Order[],
  onPortion: (ms: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let from = 0; from < orders.length; from += PORTION) {
    const begun = performance.now()
    let text = ''
    for (const order of orders.slice(from, from + PORTION)) text += lineOf(order)
    const data = Buffer.from(text)
    await onPortion(performance.now() - begun)
    await file.writeFile(data)
  }
}
