/**
 * Calls `then` after so many milliseconds, unless the function that this returns was called before. What has arrived by
 * then is seen first: a process that was busy or stopped itself must not take the others for late.
 */
export function afterMs(ms: number, then: () => void): () => void {
  let turn: NodeJS.Immediate | undefined
  const timer = setTimeout(() => (turn = setImmediate(then)), ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(turn)
  }
}
