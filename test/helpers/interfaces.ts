import ts from 'typescript'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type MemberKind = 'function' | 'value'

const isConstructor = (type: ts.TypeNode | undefined): boolean => type !== undefined && ts.isConstructorTypeNode(type)

/** Names of an interface's own members and whether each is a method, as the compiler's parser sees a file of `src`. */
export function membersOf(file: string, name: string): Map<string, MemberKind> {
  const text = readFileSync(join(__dirname, '../../src', file), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023)
  const found = source.statements.filter(ts.isInterfaceDeclaration).find((statement) => statement.name.text === name)
  if (found === undefined) throw new Error(`${file} has no interface ${name}`)
  return new Map(
    found.members.map((member) => {
      const key = member.name !== undefined && ts.isIdentifier(member.name) ? member.name.text : ''
      const callable = ts.isMethodSignature(member) || (ts.isPropertySignature(member) && isConstructor(member.type))
      return [key, callable ? 'function' : 'value']
    }),
  )
}
