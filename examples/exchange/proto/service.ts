import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { loadPackageDefinition, type GrpcObject, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const FILE = 'examples/exchange/proto/matchengine.proto'

/** The file is not compiled, so the programs in dist/ read it from the sources too. */
function protoPath(): string {
  for (let folder = __dirname; ; folder = dirname(folder)) {
    const path = join(folder, FILE)
    if (existsSync(path)) return path
    if (folder === dirname(folder)) throw new Error(`${FILE} is nowhere above ${__dirname}`)
  }
}

let loaded: ServiceClientConstructor | undefined

/**
 * The service as grpc-js has it: a class of clients, whose `service` a server implements. Names are those of the file,
 * 64-bit numbers are decimal text, enums are names, and fields that were not sent have their defaults.
 */
export function matchengineService(): ServiceClientConstructor {
  if (loaded === undefined) {
    const definition = loadSync(protoPath(), { keepCase: true, longs: String, enums: String, defaults: true })
    const { matchengine } = loadPackageDefinition(definition) as { matchengine: GrpcObject }
    loaded = matchengine.Matchengine as ServiceClientConstructor
  }
  return loaded
}
