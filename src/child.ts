/**
 * What runs in the child. Its work is synchronous and ends in `_exit`, by whichever way it leaves: nothing here may
 * return to the parent's JavaScript, and nothing may wait for the event loop, which is the parent's.
 */
import { createHook } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { writeSync } from 'node:fs'
import v8 from 'node:v8'
import { binding, Outcome } from './binding'
import { checkWhole, isThenable } from './checks'
import { describeError } from './child-error'
import { errnoOf, ForksnapError } from './errors'
import type { ChildContext, ChildOptions, ResultCodec } from './fork-job'

/** EX_SOFTWARE of sysexits.h: the exit code of a child that broke a rule. */
const EXIT_BROKEN = 70

function exitCodeOf(code: unknown): number {
  const number = Number(code ?? process.exitCode ?? 0)
  return Number.isInteger(number) ? number & 0xff : EXIT_BROKEN
}

/**
 * The parent's listeners are dropped without telling any of them: `removeAllListeners` would call those for
 * `removeListener`. `uncaughtExceptionMonitor` is among them, which is asked before the capture callback of a bare child.
 */
function dropListeners(): void {
  // Programs put their own emit() in the place of Node's, to hear of the exit.
  const emit = EventEmitter.prototype.emit.bind(process)
  Object.assign(process, { _events: Object.create(null) as object, _eventsCount: 0, emit })
}

/** process.exit() would run the parent's listeners and join threads that do not exist here. */
function sealProcess(exit: (code: number) => never, abort: () => never): void {
  const replacements = {
    exit: (code?: unknown): never => exit(exitCodeOf(code)),
    reallyExit: (code?: unknown): never => exit(exitCodeOf(code)),
    abort,
  }
  // `const { exit } = process` kept by user code still comes through reallyExit, after the listeners of `exit`.
  dropListeners()
  Object.assign(process, replacements)
  // Node took its pid at the start: process.kill(process.pid) in the child would hit the parent.
  Object.defineProperty(process, 'pid', { value: binding().getpid(), enumerable: true, configurable: true })
}

const CLONED_BYTES_MAX = 1 << 20
const TOO_LARGE = 'the returned value is larger than 1 MiB when serialized'

/** What a user's function returns: any value that can be cloned. */
export const clonedResult: ResultCodec<unknown> = {
  encode(value) {
    const bytes = v8.serialize(value)
    if (bytes.length > CLONED_BYTES_MAX) binding().childExit(Outcome.resultTooLarge, EXIT_BROKEN, TOO_LARGE)
    return bytes
  },
  decode: (bytes) => v8.deserialize(bytes) as unknown,
}

const DEFAULT_V8_WORKERS = 2

/** Node 24's V8 (13.6) is the first whose efficiency mode makes its middle compilers synchronous. */
function useEfficiencyMode(option: ChildOptions['efficiencyMode'], hasWorkers: boolean): boolean {
  if (typeof option === 'boolean') return option
  return !hasWorkers && Number(process.versions.node.split('.')[0]) >= 24
}

/** Runs the child's work to its end and leaves the process. Never returns. */
export function runChild<P, V>(
  run: (child: ChildContext, prepared: P) => V,
  result: ResultCodec<V>,
  prepared: P,
  title: string,
  options: ChildOptions,
): never {
  const native = binding()
  try {
    sealProcess(
      (code) => native.childExit(Outcome.calledExit, code, `process.exit(${code}) was called in the child`),
      () => native.childExit(Outcome.aborted, EXIT_BROKEN, 'process.abort() was called in the child'),
    )
    const hasWorkers = native.childStartV8Workers(options.v8Workers ?? DEFAULT_V8_WORKERS)
    if (useEfficiencyMode(options.efficiencyMode, hasWorkers)) v8.setFlagsFromString('--efficiency-mode')
    process.title = title
    const context: ChildContext = {
      progress: (rows, bytes) => {
        checkWhole('child.progress: rows', rows, 0, Number.MAX_SAFE_INTEGER)
        checkWhole('child.progress: bytes', bytes, 0, Number.MAX_SAFE_INTEGER)
        native.childProgress(rows, bytes)
      },
    }
    const value = run(context, prepared)
    if (isThenable(value)) {
      native.childExit(Outcome.returnedPromise, EXIT_BROKEN, 'the work returned a promise; it must be synchronous')
    }
    if (!native.childResult(result.encode(value))) {
      native.childExit(Outcome.resultTooLarge, EXIT_BROKEN, 'what the child returns is longer than the page for it')
    }
    return native.childExit(Outcome.returned, 0, '')
  } catch (thrown) {
    return native.childExit(Outcome.threw, EXIT_BROKEN, describeError(thrown))
  }
}

/** Whatever was thrown, as text; its getters may throw too. */
function textOf(thrown: unknown): string {
  try {
    return (thrown instanceof Error ? thrown.stack : undefined) ?? String(thrown)
  } catch {
    return 'something that cannot be described'
  }
}

function complain(message: string): void {
  try {
    writeSync(2, `forksnap: ${message}\n`)
  } catch {
    // stderr is gone; the exit code still tells.
  }
}

/**
 * What a bare child throws is caught by the one callback that Node has for it. Where `node:domain` is loaded (as in the
 * REPL) that callback is the domain's, and the child's error would go to the parent's domains.
 */
function checkCapturable(): void {
  try {
    process.setUncaughtExceptionCaptureCallback(() => undefined)
  } catch (error) {
    // The program has set one itself; the child may replace it.
    if (errnoOf(error) === 'ERR_UNCAUGHT_EXCEPTION_CAPTURE_ALREADY_SET') return
    throw new ForksnapError(
      'ERR_INVALID_STATE',
      'fork() cannot guard its child where node:domain is loaded (as in the REPL), since only a domain then gets what ' +
        'is thrown. Use forkChild(), or do without domains.',
      { cause: error },
    )
  }
  process.setUncaughtExceptionCaptureCallback(null)
}

/** Refuses what would be a fork inside a fork: a child's threads are gone, and its parent's loop is not its own. */
export function refuseInChild(): void {
  if (!binding().isInChild()) return
  throw new ForksnapError('ERR_INVALID_STATE', 'This process is a child of fork(): it cannot fork again.')
}

/**
 * Guards the child of a bare `fork()`. The code that called it goes on; when that code's callback is over, or another
 * one is about to begin (a timer, a tick, a promise's continuation, all the parent's), the child ends.
 * Made in the parent beforehand, so that nothing is loaded or allocated late in the child.
 * Throws `ERR_INVALID_STATE` where a child could not be guarded. In the child nothing may throw out of it: the caller
 * would take that for a fork that was refused, and go on as the parent.
 */
export function prepareBareChild(): () => void {
  const native = binding()
  const end = (): never => {
    complain(
      'the child of fork() returned to the event loop, which belongs to its parent; end the child with process.exit()',
    )
    return native.childExit(Outcome.threw, EXIT_BROKEN, 'returned to the event loop')
  }
  checkCapturable()
  const hook = createHook({ before: end, after: end })
  const leave = (code: number): never => native.childExit(Outcome.calledExit, code, '')
  const guard = (): void => {
    hook.enable()
    sealProcess(leave, () => leave(EXIT_BROKEN))
    process.setUncaughtExceptionCaptureCallback(null)
    process.setUncaughtExceptionCaptureCallback((error) => {
      complain(`the child of fork() threw: ${textOf(error)}`)
      leave(EXIT_BROKEN)
    })
  }
  return () => {
    try {
      guard()
    } catch (error) {
      complain(`the child of fork() could not be guarded: ${textOf(error)}`)
      leave(EXIT_BROKEN)
    }
  }
}
