/** A timer that is later than this was kept from its work by this process itself. */
const LAG_MS_MAX = 50

/**
 * Calls `then` after so many milliseconds, unless the function that this returns was called before. A process that was busy
 * or stopped itself must not take others for late: then the time begins anew, and what has arrived is seen first anyway.
 */
export function afterMs(ms: number, then: () => void): () => void {
  let turn: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout
  const begin = (): void => {
    const due = performance.now() + ms
    timer = setTimeout(() => {
      if (performance.now() - due > LAG_MS_MAX) begin()
      else turn = setImmediate(then)
    }, ms)
  }
  begin()
  return () => {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}
