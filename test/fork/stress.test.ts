import { runFixture } from '../helpers/fixture'

describe('forks under garbage collection, compilation, a saturated pool and a busy Worker', () => {
  it('all give a child with the right digest', async () => {
    const args = ['--forks', '40', '--objects', '20000', '--pbkdf2', '4', '--json']
    expect(await runFixture<object>('stress', args)).toMatchObject({ forks: 40, failures: 0 })
  })
})
