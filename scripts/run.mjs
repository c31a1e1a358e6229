// Runs a command with its output in view; what the scripts of this folder share.
import { spawnSync } from 'node:child_process'

/** Runs to the end and throws when the command failed. `options` are those of spawnSync. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (result.error) throw new Error(`${command} could not be started: ${result.error.message}`)
  if (result.signal) throw new Error(`${command} ${args.join(' ')} was ended by ${result.signal}`)
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with code ${result.status}`)
  return result
}

/** Whether a program is there and answers to --version. */
export function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

/** Throws if programs in that environment would take another addon than FORKSNAP_ADDON names: their run would prove nothing. */
export function requireAsked(env, root) {
  const look = `const { askedAddonProblem, binding } = require('./dist/src/binding.js')
    binding()
    if (askedAddonProblem() !== undefined) throw new Error(process.env.FORKSNAP_ADDON + ': ' + askedAddonProblem())`
  run(process.execPath, ['-e', look], { env, cwd: root })
}

/** Ends the script with a message instead of a stack. */
export function main(body) {
  try {
    body()
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
