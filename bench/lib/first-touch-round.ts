/** One process of the first touches: prints how long each 2 MiB of new memory took, in milliseconds, as JSON. */
import { Arena } from '../../src/arena/arena'

const HUGE_PAGE = 2 << 20
const PAGE = 4_096

export function touchAll(megabytes: number, hugePages: 'auto' | 'never'): number[] {
  const bytes = Math.ceil((megabytes * 1e6) / HUGE_PAGE) * HUGE_PAGE
  const view = new Uint8Array(new Arena({ bytes, hugePages }).alloc(bytes))
  const times: number[] = []
  for (let start = 0; start < bytes; start += HUGE_PAGE) {
    const begun = performance.now()
    for (let at = start; at < start + HUGE_PAGE; at += PAGE) view[at] = 1
    times.push(performance.now() - begun)
  }
  return times
}

console.log(JSON.stringify(touchAll(Number(process.argv[2]), process.argv[3] === 'huge' ? 'auto' : 'never')))
