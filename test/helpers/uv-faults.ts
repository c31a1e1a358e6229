import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')

const build = join(root, 'build')
const objects = join(build, 'Release', 'obj.target', 'forksnap', 'native')

/** What node-gyp says of the Node that it has built for; a build for another one is not kept. */
function builtForThisNode(): boolean {
  const config = join(build, 'config.gypi')
  if (!existsSync(config)) return false
  return /"node_module_version": (\d+)/.exec(readFileSync(config, 'utf8'))?.[1] === process.versions.modules
}

/** Why the addon cannot be linked anew, or null if it can. */
export const reasonAgainstUvFaults: string | null =
  process.platform !== 'linux'
    ? 'the linker of Linux'
    : process.env.FORKSNAP_ADDON !== undefined
      ? 'another addon is to be tested'
      : !existsSync(objects) || !builtForThisNode()
        ? 'the addon was not built here for this version of Node'
        : null

/**
 * Links the addon's own objects once more, with calls of libuv, and mmap, that fail when test/native/uv_faults.cc is told so: a
 * program's loop has what they need already, so that nothing from outside makes them fail.
 */
export function linkUvFaults(folder: string): string {
  const addon = join(folder, 'forksnap.node')
  const fault = join(root, 'test', 'native', 'uv_faults.cc')
  const own = readdirSync(objects).filter((name) => name.endsWith('.o')).map((name) => join(objects, name)) // prettier-ignore
  const wraps = ['uv_async_init', 'uv_queue_work', 'mmap', 'mmap64'].map((call) => `-Wl,--wrap=${call}`)
  const flags = ['-shared', '-fPIC', '-O1', '-pthread', ...wraps]
  execFileSync(process.env.CXX ?? 'c++', [...flags, '-o', addon, fault, ...own], { stdio: 'inherit' })
  return addon
}
