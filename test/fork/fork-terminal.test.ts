import { join } from 'node:path'
import { Fixture } from '../helpers/fixture'
import { describeUnless, reasonAgainstTerminal } from '../helpers/store-fixture'

const TERMINAL = join(__dirname, '../fixtures/terminal.py')

describeUnless(reasonAgainstTerminal(), 'in a terminal that stops background groups which write to it', () => {
  it('a child writes to its standard error and is not stopped', async () => {
    const before = ['python3', TERMINAL, 'a line that nobody prints', 'sh', '-c', 'stty tostop && exec "$@"', 'sh']
    const { code, stdout } = await new Fixture('fork-options', ['writesToTerminal'], { before }).closed
    const said = 'the child says this'
    expect({ code, lines: stdout.split('\n') }).toEqual({ code: 0, lines: [said, `{"written":${said.length + 1}}`] })
  })
})
