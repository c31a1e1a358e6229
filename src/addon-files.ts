import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { usesGlibc } from './libc'

/** Where the native files are looked for: in `build/`, where node-gyp puts them, and in `prebuilds/` of the package. */

const { platform, arch } = process
const abi = process.versions.modules

/** The folder of this package's package.json. */
export function packageRoot(): string {
  let directory = __dirname
  while (!existsSync(path.join(directory, 'package.json'))) {
    const parent = path.dirname(directory)
    if (parent === directory) break
    directory = parent
  }
  return directory
}

/** What the package delivers for this system lies here; scripts/prebuilds.mjs fills it. */
export function prebuildFolder(): string {
  return path.join(packageRoot(), 'prebuilds', `${platform}-${arch}`)
}

function libc(): string {
  if (platform !== 'linux') return ''
  return usesGlibc() ? '.glibc' : '.musl'
}

/** What is built here was built on purpose, so it comes before what was delivered; of two the one built last. */
function builtAddons(): string[] {
  const files = [`abi${abi}`, 'Release'].map((folder) => path.join(packageRoot(), 'build', folder, 'forksnap.node'))
  const changed = new Map(files.map((file) => [file, statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0]))
  return files.sort((a, b) => (changed.get(b) ?? 0) - (changed.get(a) ?? 0))
}

/** The addon that `FORKSNAP_ADDON` names, from the working directory on, whether it is there or not. */
export function askedAddon(): string | undefined {
  const asked = process.env.FORKSNAP_ADDON
  return asked ? path.resolve(asked) : undefined
}

/** The addons that there are, best first: the one asked for, those built here, the one delivered with the package. */
export function addonFiles(): string[] {
  const asked = askedAddon()
  const local = [...(asked === undefined ? [] : [asked]), ...builtAddons()].filter((file) => existsSync(file))
  const folder = prebuildFolder()
  if (!existsSync(folder)) return local
  const delivered = path.join(folder, `forksnap.abi${abi}${libc()}.node`)
  return existsSync(delivered) ? [...local, delivered] : local
}

/** Why there is no addon, and for what there would be one. */
export function missingAddon(): string {
  const wanted = `${platform}-${arch}${libc().replace('.', ' with ')} and Node ABI ${abi} (Node ${process.version})`
  const folder = prebuildFolder()
  const delivered = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.node')) : []
  const others = delivered.length === 0 ? 'nothing' : delivered.sort().join(', ')
  return `there is none for ${wanted}; ${path.relative(packageRoot(), folder)} has ${others}`
}

/** What builds the native files where they are missing. */
export function buildAdvice(): string {
  const command = `npx node-gyp@12 rebuild -C '${packageRoot()}'`
  return `Build it with ${command} (it needs Python 3, make and a compiler for C++20).`
}
