// Where the headers of the running Node are: <prefix>/include/node, beside <prefix>/bin/node, as every release of Node
// is laid out. npm_config_nodedir, which node-gyp knows too, names another prefix.
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function nodePrefix() {
  const prefix = process.env.npm_config_nodedir || dirname(dirname(realpathSync(process.execPath)))
  if (existsSync(join(prefix, 'include', 'node', 'node.h'))) return prefix
  throw new Error(
    `The headers of Node ${process.version} are not in ${join(prefix, 'include', 'node')}. Use a Node from nodejs.org or ` +
      'its npm package, install the headers (Debian: libnode-dev), or set npm_config_nodedir to a prefix that has them.',
  )
}
